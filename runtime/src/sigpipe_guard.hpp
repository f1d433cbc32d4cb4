// Keeps a write to a peer that is gone from ending the program.
#pragma once
#include <csignal>
#include <ctime>

namespace tandem::detail {

/// While it lives, the calling thread gets no SIGPIPE: splice() and write() know no MSG_NOSIGNAL. One that was pending
/// before stays so. Not across a suspension, after which the thread may be another.
class sigpipe_guard {
 public:
  sigpipe_guard() noexcept {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    was_pending_ = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
    (void)pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~sigpipe_guard() {
    // The signal of a write is the thread's own, and pending once the write has failed.
    constexpr timespec at_once{0, 0};
    if (raised_ && !was_pending_) (void)sigtimedwait(&pipe_, nullptr, &at_once);
    (void)pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  sigpipe_guard(const sigpipe_guard&) = delete;
  sigpipe_guard& operator=(const sigpipe_guard&) = delete;

  /// A write has failed with EPIPE.
  void note_broken_pipe() noexcept { raised_ = true; }

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_ = false;
  bool raised_ = false;
};

}  // namespace tandem::detail
