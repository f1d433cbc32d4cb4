// Keeps a call that fails from ending the program by the signal that comes with the error.
#pragma once
#include <csignal>
#include <ctime>

namespace tandem::detail {

/// While it lives, the calling thread does not get `signal`, which the kernel raises for the thread whose call fails.
/// One that was pending before stays so. Not across a suspension, after which the thread may be another.
class held_signal {
 public:
  explicit held_signal(int signal) noexcept {
    sigemptyset(&held_);
    sigaddset(&held_, signal);
    (void)pthread_sigmask(SIG_BLOCK, &held_, &before_);
    if (sigismember(&before_, signal) != 1) return;  // it would have come
    sigset_t pending;
    was_pending_ = sigpending(&pending) == 0 && sigismember(&pending, signal) == 1;
  }
  ~held_signal() {
    // The signal of a call is the thread's own, and pending once the call has failed.
    constexpr timespec at_once{0, 0};
    if (raised_ && !was_pending_) (void)sigtimedwait(&held_, nullptr, &at_once);
    (void)pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  held_signal(const held_signal&) = delete;
  held_signal& operator=(const held_signal&) = delete;

  /// A call has failed, or may have, with the error that the signal comes with.
  void note_raised() noexcept { raised_ = true; }

 private:
  sigset_t held_;
  sigset_t before_;
  bool was_pending_ = false;
  bool raised_ = false;
};

/// Of writes to a peer that is gone: splice() and write() know no MSG_NOSIGNAL.
class sigpipe_guard {
 public:
  sigpipe_guard() noexcept : held_(SIGPIPE) {}

  /// A write has failed with EPIPE.
  void note_broken_pipe() noexcept { held_.note_raised(); }

 private:
  held_signal held_;
};

}  // namespace tandem::detail
