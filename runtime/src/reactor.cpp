#include "reactor.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <sys/timerfd.h>
#include <unistd.h>

namespace tandem::detail {
namespace {

// Handlers run at one look: who keeps making new ones ready must not keep the worker.
constexpr std::size_t run_at_once = 64;

// Into a descriptor that is made before: making the first one of a context may fail, and would leave the alarm open.
void set_up_alarm(asio::posix::stream_descriptor& alarm) {
  const int made = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (made < 0) throw std::system_error(errno, std::system_category(), "timerfd_create");
  std::error_code failed;
  alarm.assign(made, failed);
  if (!failed) return;
  close(made);
  throw std::system_error(failed, "timerfd_create");
}

}  // namespace

struct reactor::loop {
  loop() { set_up_alarm(alarm); }
  asio::io_context context{1};  // one thread at a time runs it (V1)
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};  // else it would not wait
  // Ends sleeps on time. epoll's own limit is in milliseconds.
  asio::posix::stream_descriptor alarm{context};
};

reactor::reactor() noexcept = default;
reactor::~reactor() = default;

asio::io_context& reactor::context() {
  if (in_use()) return here().context;
  const std::lock_guard hold(making_);
  if (!made_) {
    made_ = std::make_unique<loop>();
    loop_.store(made_.get(), std::memory_order_release);
  }
  return made_->context;
}

std::size_t reactor::poll() noexcept {
  if (!try_sit()) return 0;
  serve();
  run_ready();
  return stand_up();
}

bool reactor::try_sit() noexcept {
  if (!in_use()) return false;
  // Relaxed: only spares the exchange.
  if (taken_.load(std::memory_order_relaxed) || taken_.exchange(true, std::memory_order_acquire)) return false;
  ran_ = 0;
  here().context.restart();  // V2
  return true;
}

std::size_t reactor::stand_up() noexcept {
  const std::size_t ran = ran_;
  taken_.store(false, std::memory_order_release);
  return ran;
}

void reactor::sleep(time_point deadline) noexcept {
  serve();
  if (deadline < armed_) arm(deadline);
  if (here().context.run_one() == 0) return;
  ++ran_;
  run_ready();
}

void reactor::run_ready() noexcept {
  for (std::size_t n = 0; n < run_at_once && here().context.poll_one() != 0; ++n) ++ran_;
}

// An alarm that is too early is left armed: it costs a turn of who sleeps, who then sets it anew.
void reactor::arm(time_point deadline) noexcept {
  armed_ = deadline;
  const auto when = std::max(deadline.time_since_epoch(), duration(1));  // zero would disarm it
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(when);
  const itimerspec at{.it_interval = {}, .it_value = {.tv_sec = seconds.count(), .tv_nsec = (when - seconds).count()}};
  timerfd_settime(here().alarm.native_handle(), TFD_TIMER_ABSTIME, &at, nullptr);  // fails only for wrong arguments
  if (listens_) return;
  listens_ = true;
  here().alarm.async_wait(asio::posix::stream_descriptor::wait_read, [this](const std::error_code&) {
    listens_ = false;
    armed_ = no_deadline;
    --ran_;  // it is no handler of anybody else's
  });
}

void reactor::wake() noexcept { here().context.stop(); }

void reactor::ask(io_wait& operation) noexcept {
  io_wait* last = asked_.load(std::memory_order_relaxed);  // the exchange decides
  do operation.next_asked_ = last;
  while (!asked_.compare_exchange_weak(last, &operation, std::memory_order_release, std::memory_order_relaxed));
  wake();  // V2
}

void reactor::serve() noexcept {
  io_wait* next = asked_.exchange(nullptr, std::memory_order_acquire);
  while (io_wait* const operation = next) {
    next = operation->next_asked_;  // first: the operation may be gone afterwards
    operation->serve();
  }
}

}  // namespace tandem::detail
