#include "signals.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace wordcount {
namespace {

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

[[noreturn]] void throw_errno(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

stop_signals::stop_signals() : quit_(eventfd(0, EFD_CLOEXEC)) {
  if (quit_ < 0) throw_errno("eventfd");
  const sigset_t set = handled_signals();
  if (const int failed = pthread_sigmask(SIG_BLOCK, &set, nullptr)) {
    errno = failed;
    throw_errno("pthread_sigmask");
  }
  thread_ = std::thread([this] { run(); });
}

stop_signals::~stop_signals() {
  const std::uint64_t one = 1;
  (void)!write(quit_, &one, sizeof(one));
  thread_.join();
  close(quit_);
}

void stop_signals::on_stop(std::function<void(int)> handler) {
  const std::lock_guard lock(mutex_);
  handler_ = std::move(handler);
  if (const int signal = received(); signal != 0 && handler_) handler_(signal);
}

int stop_signals::wait() {
  received_.wait(0);
  return received();
}

void stop_signals::run() {
  const sigset_t set = handled_signals();
  const int signals = signalfd(-1, &set, SFD_CLOEXEC);
  if (signals < 0) throw_errno("signalfd");
  pollfd watched[] = {{signals, POLLIN, 0}, {quit_, POLLIN, 0}};
  for (;;) {
    if (poll(watched, 2, -1) < 0) continue;  // EINTR
    if (watched[1].revents != 0) break;
    signalfd_siginfo info;
    if (read(signals, &info, sizeof(info)) != sizeof(info)) continue;
    const int signal = static_cast<int>(info.ssi_signo);
    if (received() != 0) std::_Exit(128 + signal);
    const std::lock_guard lock(mutex_);
    received_ = signal;
    received_.notify_all();
    if (handler_) handler_(signal);
  }
  close(signals);
}

}  // namespace wordcount
