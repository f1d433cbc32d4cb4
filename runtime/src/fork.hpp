// A child of fork() has only the thread that forked: whatever needs the others is dead there.
#pragma once
#include <atomic>

namespace tandem::detail {

extern constinit std::atomic<bool> orphaned;

/// True in a process that was forked while a runtime of its parent's had threads, until it execs.
/// Relaxed: set before anything else runs in that process.
[[nodiscard]] inline bool is_orphan() noexcept { return orphaned.load(std::memory_order_relaxed); }

/// Says on stderr that `what` cannot be in an orphan, and what to do instead; ends the process.
[[noreturn]] void abort_orphan(const char* what) noexcept;

/// While it lives, a runtime has threads, so that children forked meanwhile are orphans.
class has_threads {
 public:
  has_threads();
  ~has_threads();
  has_threads(const has_threads&) = delete;
  has_threads& operator=(const has_threads&) = delete;
};

}  // namespace tandem::detail
