// Children that do what the test says, and a log of when they started and stopped.
#pragma once
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <tandem/actors/supervisor.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/csp/channel.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::actors {

using namespace std::chrono_literals;

/// What one child does, by the test's wish.
struct part {
  int lives = 0;
  bool running = false;
  int start_failures = 0;  // that many starts fail
  bool nothing_to_run = false;
  bool never_ready = false;
  duration needs_to_start{};
  duration needs_to_stop{};
  error stops_with;
  error why_stopped;
  csp::sender<error> ender;  // ends the present life
};

/// A supervisor's world: a simulation, a system, and children whose steps are written down: "+a" a started, "-a" it was
/// stopped, "!a" it ended by itself, "xa" it failed to start.
struct stage {
  explicit stage(std::uint32_t seed = 1) : sim(seed), sys(sim) {}
  explicit stage(const testing::sim_options& options) : sim(options), sys(sim) {}
  stage(const stage&) = delete;
  stage& operator=(const stage&) = delete;
  /// Also lets what was left behind come to its end.
  ~stage() {
    (void)sys.shutdown(duration::max());
    sim.run_to_end();
  }

  testing::sim_runtime sim;
  std::map<std::string, part> parts;
  std::string log;
  std::vector<supervision_event> events;
  system sys;

  task<result<void>> live(child_start& start, std::string name) {
    part& p = parts[name];
    ++p.lives;
    if (p.needs_to_start > 0s) TANDEM_CO_TRY(co_await sleep_for(p.needs_to_start));
    if (p.start_failures > 0) {
      --p.start_failures;
      note('x', name);
      co_return fail(errc::resource_exhausted, name + " cannot start");
    }
    if (p.nothing_to_run) co_return result<void>();
    auto [tx, rx] = csp::make_channel<error>(1);
    p.ender = std::move(tx);
    if (!p.never_ready) start.ready();
    p.running = true;
    note('+', name);
    auto told = co_await rx.recv();
    if (!told) {
      p.why_stopped = told.error();
      if (p.needs_to_stop > 0s) (void)co_await without_cancel(rest(p.needs_to_stop));
    }
    p.running = false;
    note(told ? '!' : '-', name);
    if (told && *told) co_return fail(*told);
    if (!told && p.stops_with) co_return fail(p.stops_with);
    if (!told) co_return fail(told.error());
    co_return result<void>();
  }

  child_spec child(child_options options) {
    const std::string name = options.id;
    return task_child(std::move(options), [this, name](child_start& start) { return live(start, name); });
  }

  /// Options whose events are written down.
  supervisor_options options(std::string name = "top") {
    supervisor_options o;
    o.name = std::move(name);
    o.on_event = [this](const supervision_event& e) { events.push_back(e); };
    return o;
  }

  void end(const std::string& name) {
    (void)parts[name].ender.try_send(error());
    sim.run_until_idle();
  }
  void fail_child(const std::string& name, error why = make_error(errc::internal, "it broke")) {
    (void)parts[name].ender.try_send(std::move(why));
    sim.run_until_idle();
  }

  template <class... Specs>
  supervisor begin(supervisor_options o, Specs&&... specs) {
    supervisor made = start_supervisor(sys, std::move(o), std::forward<Specs>(specs)...);
    sim.run_until_idle();
    return made;
  }

  /// For children that use the handle.
  template <class... Specs>
  void begin_as(supervisor& made, supervisor_options o, Specs&&... specs) {
    made = start_supervisor(sys, std::move(o), std::forward<Specs>(specs)...);
    sim.run_until_idle();
  }

  template <class T>
  result<T> run(task<result<T>> body) {
    auto handle = sim.spawn(std::move(body));
    auto got = sim.wait(handle);
    sim.run_until_idle();
    if (!got) return fail(got.error());
    return std::move(*got);
  }
  result<void> run(task<result<void>> body) {
    auto handle = sim.spawn(std::move(body));
    auto got = sim.wait(handle);
    sim.run_until_idle();
    return got;
  }

  child_state state(const any_supervisor& of, const std::string& id) {
    const auto all = run(of.which_children());
    if (all)
      for (const child_info& c : *all)
        if (c.id == id) return c.state;
    throw std::logic_error("no child " + id);
  }
  std::vector<std::string> ids(const any_supervisor& of) {
    std::vector<std::string> made;
    const auto all = run(of.which_children());
    if (all)
      for (const child_info& c : *all) made.push_back(c.id);
    return made;
  }

  /// What was written down since the last time.
  std::string happened() { return std::exchange(log, {}); }

 private:
  void note(char what, const std::string& name) {
    if (!log.empty()) log += ' ';
    log += what;
    log += name;
  }
  static task<result<void>> rest(duration d) { co_return co_await sleep_for(d); }
};

}  // namespace tandem::actors
