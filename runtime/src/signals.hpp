// Threads of ours that run none of the program's code keep signals away from themselves.
#pragma once
#include <csignal>

#include <pthread.h>

namespace tandem::detail {

/// Blocks all signals on the calling thread while it lives: a thread started meanwhile inherits that.
class signals_blocked {
 public:
  signals_blocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace tandem::detail
