// Trees whose children take time to start and to stop and fail when they like, under commands from several sides, in
// random schedules: what must hold whatever happens.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include <fmt/format.h>

#include <tandem/actors/dynamic_supervisor.hpp>

#include "supervised.hpp"

namespace tandem::actors {
namespace {

struct unit {
  bool up = false;
  bool there = false;
};

struct chaos {
  explicit chaos(std::uint32_t seed) : random(seed), s(shuffled(seed)) {}
  static testing::sim_options shuffled(std::uint32_t seed) {
    testing::sim_options o;
    o.seed = seed;
    o.order = testing::task_order::shuffled;
    return o;
  }

  std::mt19937 random;
  std::map<std::string, unit> units;
  std::vector<std::string> stopped;  // in order
  bool overlap = false;
  bool calm = false;
  int names = 0;
  stage s;

  std::size_t below(std::size_t n) { return random() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  duration up_to(duration most) {
    return duration(static_cast<duration::rep>(below(static_cast<std::size_t>(most.count()))));
  }

  static task<result<void>> rest(duration d) { co_return co_await sleep_for(d); }

  task<result<void>> live(child_start& start, std::string name) {
    unit& u = units[name];
    overlap = overlap || u.there;
    u.there = true;
    result<void> outcome = co_await begin();
    if (outcome) {
      start.ready();
      u.up = true;
      outcome = co_await work();
      if (this_task::cancelled()) {
        if (one_in(2)) (void)co_await without_cancel(rest(up_to(50ms)));
        stopped.push_back(name);
      }
    }
    u.up = false;
    u.there = false;
    co_return outcome;
  }
  task<result<void>> begin() {
    if (one_in(2)) TANDEM_CO_TRY(co_await sleep_for(up_to(20ms)));
    if (!calm && one_in(10)) co_return fail(errc::resource_exhausted, "cannot start");
    co_return result<void>();
  }
  task<result<void>> work() {
    while (calm || !one_in(4)) TANDEM_CO_TRY(co_await sleep_for(up_to(500ms)));
    if (one_in(2)) co_return fail(errc::internal, "broke");
    co_return result<void>();
  }

  child_options random_options() {
    return child_options(fmt::format("c{}", ++names), static_cast<restart_type>(below(3)), child_shutdown::infinity());
  }
  child_spec child(child_options o) {
    const std::string name = o.id;
    return task_child(std::move(o), [this, name](child_start& start) { return live(start, name); });
  }
  supervisor_options options() {
    supervisor_options o = s.options(fmt::format("s{}", ++names));
    o.on_event = [](const supervision_event&) {};
    o.strategy = static_cast<supervision_strategy>(below(3));
    o.intensity = one_in(4) ? below(5) : 10'000;
    if (one_in(2)) o.backoff.initial = up_to(100ms);
    return o;
  }
  std::vector<child_spec> children(int depth, std::vector<supervisor>& handles) {
    std::vector<child_spec> made;
    for (std::size_t n = below(5); n > 0; --n) {
      if (depth > 0 && one_in(3)) {
        auto nested = supervisor_child(random_options(), options(), children(depth - 1, handles));
        handles.push_back(nested.handle());
        made.push_back(std::move(nested));
      } else {
        made.push_back(child(random_options()));
      }
    }
    return made;
  }

  task<> command(std::vector<supervisor> handles) {
    for (int i = 0; i < 20; ++i) {
      (void)co_await sleep_for(up_to(200ms));
      const supervisor& to = handles[below(handles.size())];
      const std::string id = fmt::format("c{}", 1 + below(static_cast<std::size_t>(names)));
      auto spec = child(random_options());
      task<result<void>> what = one_command(to, id, std::move(spec), below(6));
      if (one_in(4)) what = with_timeout(up_to(50ms), std::move(what));
      (void)co_await std::move(what);
    }
  }
  static task<result<void>> one_command(supervisor to, std::string id, child_spec spec, std::size_t which) {
    if (which == 0) {
      TANDEM_CO_TRY(co_await to.start_child(std::move(spec)));
    } else if (which == 1) {
      TANDEM_CO_TRY(co_await to.terminate_child(id));
    } else if (which == 2) {
      TANDEM_CO_TRY(co_await to.restart_child(id));
    } else if (which == 3) {
      TANDEM_CO_TRY(co_await to.delete_child(id));
    } else if (which == 4) {
      TANDEM_CO_TRY(co_await to.which_children());
    } else {
      TANDEM_CO_TRY(co_await to.count_children());
    }
    co_return result<void>();
  }

  /// Whatever is listed as running is, and nothing else; gives the workers of the tree, in the order of starting.
  std::vector<std::string> check(const supervisor& of, const std::map<std::string, supervisor>& nested) {
    std::vector<std::string> running;
    const auto all = s.run(of.which_children());
    if (!all) return running;
    for (const child_info& c : *all) {
      EXPECT_TRUE(c.state == child_state::running || c.state == child_state::stopped) << c.id;
      if (c.type == child_type::supervisor) {
        if (c.state != child_state::running) continue;
        for (auto& each : check(nested.at(c.id), nested)) running.push_back(each);
      } else {
        EXPECT_EQ(units[c.id].up, c.state == child_state::running) << c.id;
        if (units[c.id].up) running.push_back(c.id);
      }
    }
    return running;
  }
  bool any_there() {
    return std::ranges::any_of(units, [](const auto& entry) { return entry.second.there; });
  }
};

void run_tree(std::uint32_t seed) {
  chaos c(seed);
  std::vector<supervisor> handles;
  std::vector<child_spec> specs = c.children(2, handles);
  const supervisor root = start_supervisor(c.s.sys, c.options(), std::move(specs));
  handles.push_back(root);
  for (int i = 0; i < 3; ++i) c.s.sim.spawn(c.command(handles)).detach();
  c.s.sim.advance(10s);
  c.calm = true;
  c.s.sim.advance(1min);
  EXPECT_FALSE(c.overlap);
  c.stopped.clear();
  const auto before = c.s.sim.now();
  EXPECT_TRUE(c.s.run(root.stop(1h)).has_value());
  EXPECT_LT(c.s.sim.now() - before, 1min);
  EXPECT_FALSE(c.any_there());
  EXPECT_EQ(c.s.sim.live_tasks(), 0u);
}

TEST(SupervisorChaos, NoChildLivesTwiceAndNoneIsLeft) {
  for (std::uint32_t seed = 1; seed <= seeds(1000); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    run_tree(seed);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(SupervisorChaos, OnceItIsCalmWhatIsListedIsThereAndStopsInReverse) {
  for (std::uint32_t seed = 1; seed <= seeds(500); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    chaos c(seed);
    std::map<std::string, supervisor> nested;
    std::vector<child_spec> specs;
    std::vector<supervisor> handles;
    for (int i = 0; i < 3; ++i) {
      specs.push_back(c.child(c.random_options()));
      std::vector<supervisor> none;
      auto below = supervisor_child(c.random_options(), c.options(), c.children(0, none));
      nested[below.options().id] = below.handle();
      handles.push_back(below.handle());
      specs.push_back(std::move(below));
    }
    const supervisor root = start_supervisor(c.s.sys, c.options(), std::move(specs));
    handles.push_back(root);
    for (int i = 0; i < 2; ++i) c.s.sim.spawn(c.command(handles)).detach();
    c.s.sim.advance(10s);
    c.calm = true;
    c.s.sim.advance(1min);
    std::vector<std::string> running = c.check(root, nested);
    std::ranges::reverse(running);
    c.stopped.clear();
    EXPECT_TRUE(c.s.run(root.stop(1h)).has_value());
    EXPECT_EQ(c.stopped, running);
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(SupervisorChaos, ADynamicSupervisorKnowsWhoIsThere) {
  for (std::uint32_t seed = 1; seed <= seeds(500); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    chaos c(seed);
    auto o = c.options();
    o.strategy = supervision_strategy::one_for_one;
    auto sup = start_supervisor(
        c.s.sys, o, task_template<std::string>(c.random_options(), [&c](child_start& start, std::string name) {
          return c.live(start, std::move(name));
        }));
    const auto fill = [&]() -> task<> {
      for (int i = 0; i < 40; ++i) {
        (void)co_await sleep_for(c.up_to(100ms));
        auto added = co_await sup.start_child(fmt::format("d{}", ++c.names));
        if (added && c.one_in(3)) (void)co_await sup.terminate_child(added->number);
      }
    };
    for (int i = 0; i < 2; ++i) c.s.sim.spawn(fill()).detach();
    c.s.sim.advance(10s);
    c.calm = true;
    c.s.sim.advance(1min);
    EXPECT_FALSE(c.overlap);
    const auto counts = c.s.run(sup.count_children());
    const auto up = std::ranges::count_if(c.units, [](const auto& entry) { return entry.second.up; });
    EXPECT_EQ(counts ? static_cast<std::ptrdiff_t>(counts->active) : 0, up);
    EXPECT_TRUE(c.s.run(sup.stop(1h)).has_value());
    EXPECT_FALSE(c.any_there());
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace tandem::actors
