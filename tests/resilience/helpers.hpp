// What tests of policies share: functions to call, and a way to call them.
#pragma once
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <tandem/errors/retry_after.hpp>
#include <tandem/resilience/with.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::resilience {

/// What a call gives, and after how long; no error: a value.
struct scripted {
  error gives = {};
  duration after = {};
};
inline scripted fails(duration after = {}) { return {error_of(errc::unavailable), after}; }
inline scripted works(duration after = {}) { return {{}, after}; }

inline task<result<int>> play(scripted s) {
  if (s.after > duration::zero())
    if (auto slept = co_await sleep_for(s.after); !slept) co_return std::unexpected(std::move(slept).error());
  if (s.gives) co_return std::unexpected(std::move(s.gives));
  co_return 1;
}

/// Calls through `policies`, to the end.
template <class... Policies>
result<int> call_through(testing::sim_runtime& sim, const composition<Policies...>& policies, const call& c,
                         scripted s) {
  return sim.run(policies.run(c, [&] { return play(s); }));
}
template <std::derived_from<policy> P>
result<int> call_through(testing::sim_runtime& sim, const P& p, const call& c, scripted s) {
  return call_through(sim, with(p), c, s);
}

inline std::uint64_t counter(const policy& p, std::string_view name) {
  for (const policy_counter& c : p.info().counters)
    if (c.name == name) return c.value;
  return ~0ULL;
}

}  // namespace tandem::resilience
