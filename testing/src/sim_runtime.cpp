#include <tandem/testing/sim_runtime.hpp>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>

namespace tandem::testing {
namespace {

std::uint32_t seed_to_use(std::uint32_t asked) {
  const char* const text = std::getenv("TANDEM_SEED");
  if (!text) return asked;
  std::uint32_t seed = 0;
  const char* const end = text + std::strlen(text);
  if (const auto parsed = std::from_chars(text, end, seed); parsed.ec != std::errc{} || parsed.ptr != end)
    throw std::invalid_argument(fmt::format("TANDEM_SEED={} is not a number", text));
  return seed;
}

}  // namespace

sim_runtime::sim_runtime(std::uint32_t seed)
    : seed_(seed_to_use(seed)), core_(detail::make_simulated_scheduler(seed_)) {}

sim_runtime::~sim_runtime() {
  if (const auto ended = detail::end_simulation(*core_); !ended) {
    fmt::print(stderr, "sim_runtime (TANDEM_SEED={}): {}\n", seed_, ended.error());
    std::abort();
  }
}

void sim_runtime::advance(duration d) {
  const time_point end = deadline_after(now(), d);
  run_until_idle();
  while (detail::next_timer(*core_) <= end && step_to_next_timer()) run_until_idle();
  if (end == no_deadline) return;  // that moment never comes
  detail::move_clock(*core_, end);
  run_until_idle();
}

void sim_runtime::run_to_end() {
  do {
    run_until_idle();
  } while (step_to_next_timer());
}

bool sim_runtime::step_to_next_timer() noexcept {
  const time_point next = detail::next_timer(*core_);
  if (next == no_deadline) return false;
  detail::move_clock(*core_, next);
  return true;
}

context sim_runtime::root_context() const noexcept {
  detail::retain(detail::root_context_of(*core_));
  return context(&detail::root_context_of(*core_));
}

error sim_runtime::stuck() const {
  return make_error(errc::failed_precondition,
                    fmt::format("the simulation is idle with unfinished tasks (TANDEM_SEED={}): {}", seed_,
                                detail::describe_live_tasks(*core_)));
}

}  // namespace tandem::testing
