// What an open file is, and who uses it: shared by the handle and the operations under way.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/aligned_buffer.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/file.hpp>

namespace tandem::detail {

/// A descriptor that is closed if nobody takes it.
class owned_descriptor {
 public:
  explicit owned_descriptor(int value = -1) noexcept : value_(value) {}
  ~owned_descriptor();
  owned_descriptor(const owned_descriptor&) = delete;
  owned_descriptor& operator=(const owned_descriptor&) = delete;

  void reset(int value) noexcept;
  [[nodiscard]] int get() const noexcept { return value_; }
  [[nodiscard]] int take() noexcept { return std::exchange(value_, -1); }
  /// Closes it and gives 0 or a negative errno. May block.
  [[nodiscard]] long close() noexcept;

 private:
  int value_;
};

/// (F1) The descriptor is open as long as an operation uses the file; close() waits for them, and the last share of the
///      state goes after them.
class file_state : public pool_job {
 public:
  /// Takes the descriptor, last: not if it throws.
  [[nodiscard]] static std::shared_ptr<file_state> make(std::string path, file_access access, io_alignment alignment,
                                                        owned_descriptor& opened);

  const std::string path;
  const file_access access;
  const io_alignment alignment;
  [[nodiscard]] bool direct() const noexcept { return alignment != io_alignment(); }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

  // Relaxed: a stale true costs a call in vain.
  std::atomic<bool> tells_what_is_cached{true};

  /// Begins an operation.   Errors: errc::closed.
  [[nodiscard]] result<void> enter();
  void leave() noexcept;

  /// No operation begins any more. Gives what the last one completes; null if none is under way.
  /// Errors: errc::closed; throws std::bad_alloc, and nothing is closed then.
  [[nodiscard]] result<completion_ptr<void>> begin_close();
  [[nodiscard]] long close_descriptor() noexcept { return descriptor_.close(); }

 private:
  file_state(std::string p, file_access a, io_alignment needs);
  ~file_state() = default;
  static void let_go(file_state* last) noexcept;

  owned_descriptor descriptor_;
  std::mutex lock_;
  unsigned users_ = 0;             // guarded by lock_
  bool closed_ = false;            // guarded by lock_
  completion_ptr<void> drained_;   // guarded by lock_: for the last user
};

/// While it lives, an operation is under way.
class file_use {
 public:
  explicit file_use(std::shared_ptr<file_state> file) : file_(std::move(file)) {}
  ~file_use() {
    if (entered_) file_->leave();
  }
  file_use(const file_use&) = delete;
  file_use& operator=(const file_use&) = delete;

  /// Errors: errc::closed; errc::failed_precondition for no file.
  [[nodiscard]] result<void> begin();
  [[nodiscard]] file_state& operator*() const noexcept { return *file_; }
  [[nodiscard]] file_state* operator->() const noexcept { return file_.get(); }

 private:
  const std::shared_ptr<file_state> file_;
  bool entered_ = false;
};

/// file::open(); messages, and file::path(), call the file `called`.
[[nodiscard]] task<result<file>> open_file(std::string path, std::string called, file_options options);

/// What a call that gave `outcome`, a negative errno, fails with: why the context is over, if that is what ended it, or
/// the system's error. `what` is being done, as "cannot read a.txt".
[[nodiscard]] error failed_call(long outcome, std::string what,
                                std::source_location where = std::source_location::current());

}  // namespace tandem::detail
