#include <tandem/testing/sim_runtime.hpp>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>
#include <tandem/testing/test_framework.hpp>

#include "seed.hpp"

namespace tandem::testing {
namespace {

constexpr duration longest_wait_for_io = std::chrono::seconds(10);

}  // namespace

std::optional<std::uint32_t> seed_of_environment() {
  const char* const text = std::getenv("TANDEM_SEED");
  if (!text || *text == '\0') return std::nullopt;
  std::uint32_t seed = 0;
  const char* const end = text + std::strlen(text);
  if (const auto parsed = std::from_chars(text, end, seed); parsed.ec != std::errc{} || parsed.ptr != end)
    throw std::invalid_argument(fmt::format("TANDEM_SEED={} is not a number", text));
  return seed;
}

sim_runtime::sim_runtime(std::uint32_t seed) : sim_runtime(sim_options{.seed = seed}) {}

sim_runtime::sim_runtime(const sim_options& options)
    : seed_(seed_of_environment().value_or(options.seed)),
      failed_before_(test_framework_in_use().has_failed()),
      core_(detail::make_simulated_scheduler(seed_, options.order == task_order::shuffled)),
      time_limit_(deadline_after(detail::clock_of(*core_), options.time_limit)),
      io_patience_(options.io_patience) {}

sim_runtime::~sim_runtime() {
  if (!failed_before_ && test_framework_in_use().has_failed())
    fmt::print(stderr, "sim_runtime: the test failed; TANDEM_SEED={} replays it\n", seed_);
  if (const auto ended = detail::end_simulation(*core_); !ended) {
    fmt::print(stderr, "sim_runtime (TANDEM_SEED={}): {}\n", seed_, ended.error());
    std::abort();
  }
}

void sim_runtime::advance(duration d) {
  const time_point end = deadline_after(now(), d);
  const auto run_with_io = [this] {
    do run_until_idle();
    while (detail::let_io_come(*core_, io_patience_));
  };
  run_with_io();
  while (detail::next_timer(*core_) != no_deadline && detail::next_timer(*core_) <= end) {
    move_to_next_timer();
    run_with_io();
  }
  if (end == no_deadline) return;  // that moment never comes
  detail::move_clock(*core_, end);
  run_until_idle();
}

// Real io first: what a peer has sent is older than a deadline that has not come.
bool sim_runtime::go_on() noexcept {
  const bool timed = timer_within_limit();
  return detail::let_io_come(*core_, timed ? io_patience_ : longest_wait_for_io) || step_to_next_timer();
}

void sim_runtime::run_to_end() {
  do {
    run_until_idle();
  } while (detail::let_io_come(*core_, io_patience_) || step_to_next_timer());
}

bool sim_runtime::timer_within_limit() noexcept {
  const time_point next = detail::next_timer(*core_);
  return next != no_deadline && next <= time_limit_;
}

bool sim_runtime::step_to_next_timer() noexcept {
  if (!timer_within_limit()) return false;
  move_to_next_timer();
  return true;
}

void sim_runtime::move_to_next_timer() noexcept { detail::move_clock(*core_, detail::next_timer(*core_)); }

context sim_runtime::root_context() const noexcept {
  detail::retain(detail::root_context_of(*core_));
  return context(&detail::root_context_of(*core_));
}

error sim_runtime::stuck() const {
  return make_error(errc::failed_precondition,
                    fmt::format("the simulation is {} with unfinished tasks (TANDEM_SEED={}): {}",
                                detail::next_timer(*core_) > time_limit_ && detail::next_timer(*core_) != no_deadline
                                    ? "at its time limit"
                                    : "idle",
                                seed_, detail::describe_live_tasks(*core_)));
}

}  // namespace tandem::testing
