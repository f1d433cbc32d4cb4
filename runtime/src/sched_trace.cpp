#include "sched_trace.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "scheduler.hpp"
#include "signals.hpp"

namespace tandem::detail {
namespace {

constexpr long long longest_period_ms = 86'400'000;  // a day

time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

}  // namespace

duration trace_period(const char* settings, const std::function<void(const std::string&)>& complain) {
  constexpr std::string_view name = "sched=";
  duration period{};
  std::string_view left = settings ? settings : "";
  while (!left.empty()) {
    const std::string_view setting = left.substr(0, left.find(','));
    left.remove_prefix(std::min(left.size(), setting.size() + 1));
    if (setting.empty()) continue;
    long long ms = 0;
    bool good = setting.starts_with(name);
    if (good) {
      const std::string_view number = setting.substr(name.size());
      const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), ms);
      good = problem == std::errc() && end == number.data() + number.size() && ms >= 1 && ms <= longest_period_ms;
    }
    if (good) {
      period = std::chrono::milliseconds(ms);
    } else {
      complain(fmt::format("tandem: \"{}\" in TANDEM_TRACE is ignored: it takes sched=MILLISECONDS, from 1 to {}\n",
                           setting, longest_period_ms));
    }
  }
  return period;
}

std::string describe_state(scheduler& s) {
  const crew::figures hands = s.hands().count();
  const blocking_pool::figures calls = s.blocking().count();
  return fmt::format(
      "workers={} idle={} searching={} injected={} queues=[{}] tasks={} timers={} blocking={} "
      "blocking_queued={} steals={} parks={}",
      s.worker_count(), hands.asleep, hands.searching, hands.injected, fmt::join(hands.queues, " "), s.live_tasks(),
      s.armed_timers(), calls.running, calls.queued, hands.steals, hands.parks);
}

sched_trace::sched_trace(scheduler& s, duration period, sink print)
    : scheduler_(s), period_(period), print_(std::move(print)) {
  const signals_blocked inherited;
  thread_ = std::thread([this] { run(); });
}

void sched_trace::stop() noexcept {
  if (!thread_.joinable()) return;
  stop_.store(true, std::memory_order_release);
  sleeper_.unpark();
  thread_.join();
}

void sched_trace::run() noexcept {
  const time_point start = steady_now();
  time_point next = start + period_;
  for (;;) {
    sleeper_.park(next);
    if (stop_.load(std::memory_order_acquire)) return;
    const time_point now = steady_now();
    if (now < next) continue;
    next += period_ * ((now - next) / period_ + 1);  // lines that are overdue are left out
    try {
      const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - start).count();
      print_(fmt::format("tandem: sched {}ms: {}\n", ms, describe_state(scheduler_)));
    } catch (...) {
      // Without memory there is no line; the next may fare better.
    }
  }
}

}  // namespace tandem::detail
