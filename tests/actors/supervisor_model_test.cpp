// Random trees, random ends of children and random commands, against a model that does one thing after the other.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>

#include <fmt/format.h>

#include "supervised.hpp"

namespace tandem::actors {
namespace {

struct plan;
struct planned_child {
  child_options options;
  std::shared_ptr<const plan> below;  // of a supervisor
};
struct plan {
  std::string name;
  supervision_strategy strategy{};
  std::size_t intensity = 1;
  auto_shutdown shut_down_on{};
  std::vector<planned_child> children;
};

class dice {
 public:
  explicit dice(std::uint32_t seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return random_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }

 private:
  std::mt19937 random_;
};

// What children do when they are started: the same for the model as for the real thing.
struct script {
  int start_failures = 0;
  bool nothing_to_run = false;
};

struct model_world {
  std::map<std::string, script> scripts;
  std::string log;
  time_point now;
  void note(char what, const std::string& name) {
    if (!log.empty()) log += ' ';
    log += what;
    log += name;
  }
};

class model_supervisor {
 public:
  enum class outcome { up, nothing, failed };

  model_supervisor(model_world& w, std::shared_ptr<const plan> p) : world_(w), plan_(std::move(p)) {}

  outcome start() {
    kids_.clear();
    restarts_.clear();
    lives_ = true;
    for (const planned_child& c : plan_->children) kids_.push_back(make(c));
    for (const std::string& id : ids()) {
      const outcome how = start_kid(*find(id));
      if (how == outcome::failed) {
        stop();
        return how;
      }
      if (how == outcome::nothing && find(id)->options.restart == restart_type::temporary) erase(id);
    }
    return outcome::up;
  }

  void stop() {
    for (auto k = kids_.rbegin(); k != kids_.rend(); ++k) stop_kid(*k);
    lives_ = false;
  }

  /// A child somewhere below has ended. False if nobody has it.
  bool child_ended(const std::string& id, bool in_order) {
    if (kid* const k = find(id)) {
      if (k->state != child_state::running) return false;
      world_.note('!', id);
      k->state = child_state::stopped;
      handle(id, in_order);
      return true;
    }
    for (const std::string& each : ids()) {
      kid& k = *find(each);
      if (!k.below || k.state != child_state::running || !k.below->child_ended(id, in_order)) continue;
      if (!k.below->lives_) {  // for whatever reason: that is an end in order
        k.state = child_state::stopped;
        handle(each, true);
      }
      return true;
    }
    return false;
  }

  [[nodiscard]] bool lives() const { return lives_; }
  [[nodiscard]] const std::string& name() const { return plan_->name; }
  [[nodiscard]] const plan& made_from() const { return *plan_; }

  [[nodiscard]] bool has(const std::string& id) { return find(id) != nullptr; }
  errc start_child(const child_options& o) {
    if (find(o.id)) return errc::already_exists;
    kids_.push_back(make({o, nullptr}));
    const outcome how = start_kid(kids_.back());
    if (how == outcome::failed) kids_.pop_back();
    if (how == outcome::failed) return errc::resource_exhausted;
    if (how == outcome::nothing && o.restart == restart_type::temporary) kids_.pop_back();
    return {};
  }
  errc terminate_child(const std::string& id) {
    kid* const k = find(id);
    if (!k) return errc::not_found;
    stop_kid(*k);
    if (k->options.restart == restart_type::temporary) erase(id);
    return {};
  }
  errc restart_child(const std::string& id) {
    kid* const k = find(id);
    if (!k) return errc::not_found;
    if (k->state != child_state::stopped) return errc::failed_precondition;
    return start_kid(*k) == outcome::failed ? errc::resource_exhausted : errc{};
  }
  errc delete_child(const std::string& id) {
    kid* const k = find(id);
    if (!k) return errc::not_found;
    if (k->state != child_state::stopped) return errc::failed_precondition;
    erase(id);
    return {};
  }

  /// "a=1 b=0", by child_state.
  [[nodiscard]] std::string states() const {
    std::string text;
    for (const kid& k : kids_) text += fmt::format("{}={} ", k.options.id, static_cast<int>(k.state));
    return text;
  }
  void each(const std::function<void(model_supervisor&)>& visit) {
    visit(*this);
    for (kid& k : kids_)
      if (k.below && k.state == child_state::running) k.below->each(visit);
  }

 private:
  struct kid {
    child_options options;
    std::shared_ptr<model_supervisor> below;
    child_state state = child_state::stopped;
  };

  kid make(const planned_child& c) {
    return {c.options, c.below ? std::make_shared<model_supervisor>(world_, c.below) : nullptr, child_state::stopped};
  }
  [[nodiscard]] std::vector<std::string> ids() const {
    std::vector<std::string> made;
    for (const kid& k : kids_) made.push_back(k.options.id);
    return made;
  }
  kid* find(const std::string& id) {
    const auto at = std::ranges::find_if(kids_, [&](const kid& k) { return k.options.id == id; });
    return at == kids_.end() ? nullptr : &*at;
  }
  void erase(const std::string& id) {
    std::erase_if(kids_, [&](const kid& k) { return k.options.id == id; });
  }

  outcome start_kid(kid& k) {
    outcome how = outcome::up;
    if (k.below) {
      how = k.below->start();
    } else if (script& s = world_.scripts[k.options.id]; s.start_failures > 0) {
      --s.start_failures;
      world_.note('x', k.options.id);
      how = outcome::failed;
    } else if (s.nothing_to_run) {
      how = outcome::nothing;
    } else {
      world_.note('+', k.options.id);
    }
    k.state = how == outcome::up ? child_state::running : child_state::stopped;
    return how;
  }
  void stop_kid(kid& k) {
    if (k.state != child_state::running) return;
    if (k.below) {
      k.below->stop();
    } else {
      world_.note('-', k.options.id);
    }
    k.state = child_state::stopped;
  }

  void handle(const std::string& id, bool in_order) {
    const child_options o = find(id)->options;
    if (o.restart == restart_type::permanent || (o.restart == restart_type::transient && !in_order)) return restart(id);
    if (o.restart == restart_type::temporary) erase(id);
    if (!o.significant) return;
    const bool others = std::ranges::any_of(
        kids_, [](const kid& k) { return k.options.significant && k.state != child_state::stopped; });
    if (plan_->shut_down_on == auto_shutdown::any_significant || !others) stop();
  }

  void restart(std::string id) {
    for (;;) {
      while (!restarts_.empty() && restarts_.front() + 5s < world_.now) restarts_.pop_front();
      restarts_.push_back(world_.now);
      if (restarts_.size() > plan_->intensity) return stop();
      std::vector<std::string> again;
      bool seen = false;
      for (const std::string& each : ids()) {
        seen = seen || each == id;
        if (each == id || plan_->strategy == supervision_strategy::one_for_all ||
            (seen && plan_->strategy == supervision_strategy::rest_for_one))
          again.push_back(each);
      }
      for (auto each = again.rbegin(); each != again.rend(); ++each) {
        kid& k = *find(*each);
        const bool ran = k.state == child_state::running;
        stop_kid(k);
        if (ran && k.options.restart == restart_type::temporary) erase(*each);
      }
      bool failed = false;
      for (const std::string& each : again) {
        kid* const k = find(each);
        if (!k || start_kid(*k) != outcome::failed) continue;
        id = each;
        failed = true;
        break;
      }
      if (!failed) return;
    }
  }

  model_world& world_;
  std::shared_ptr<const plan> plan_;
  std::vector<kid> kids_;
  std::deque<time_point> restarts_;
  bool lives_ = false;
};

struct trial {
  explicit trial(std::uint32_t seed) : roll(seed), s(seed) {}

  dice roll;
  stage s;
  model_world world;
  std::map<std::string, supervisor> handles;
  std::vector<std::string> workers;
  int names = 0;

  child_options random_options(std::string id, auto_shutdown shut_down_on) {
    child_options o(std::move(id), static_cast<restart_type>(roll.below(3)));
    if (roll.one_in(3)) o.shutdown = child_shutdown::infinity();
    o.significant = shut_down_on != auto_shutdown::never && o.restart != restart_type::permanent && roll.one_in(2);
    return o;
  }
  std::string new_worker() {
    workers.push_back(fmt::format("{}", ++names));
    if (roll.one_in(25)) set_script(workers.back());
    return workers.back();
  }
  void set_script(const std::string& id) {
    script& w = world.scripts[id];
    w.start_failures = roll.one_in(2) ? static_cast<int>(roll.below(3)) : 0;
    w.nothing_to_run = roll.one_in(4);
    s.parts[id].start_failures = w.start_failures;
    s.parts[id].nothing_to_run = w.nothing_to_run;
  }
  std::shared_ptr<const plan> random_plan(int depth) {
    auto made = std::make_shared<plan>();
    made->name = fmt::format("s{}", ++names);
    made->strategy = static_cast<supervision_strategy>(roll.below(3));
    made->intensity = roll.below(5);
    made->shut_down_on = roll.one_in(3) ? static_cast<auto_shutdown>(roll.below(3)) : auto_shutdown::never;
    for (std::size_t n = roll.below(5); n > 0; --n) {
      if (depth > 0 && roll.one_in(4)) {
        auto below = random_plan(depth - 1);
        made->children.push_back({random_options(below->name, made->shut_down_on), below});
      } else {
        made->children.push_back({random_options(new_worker(), made->shut_down_on), nullptr});
      }
    }
    return made;
  }

  supervisor_options real_options(const plan& p) {
    supervisor_options o = s.options(p.name);
    o.strategy = p.strategy;
    o.intensity = p.intensity;
    o.shut_down_on = p.shut_down_on;
    return o;
  }
  std::vector<child_spec> real_children(const plan& p) {
    std::vector<child_spec> made;
    for (const planned_child& c : p.children) {
      if (!c.below) {
        made.push_back(s.child(c.options));
        continue;
      }
      auto nested = supervisor_child(c.options, real_options(*c.below), real_children(*c.below));
      handles[c.below->name] = nested.handle();
      made.push_back(std::move(nested));
    }
    return made;
  }

  std::string real_states(const supervisor& of) {
    std::string text;
    const auto all = s.run(of.which_children());
    if (!all) return "none: " + all.error().message();
    for (const child_info& c : *all) text += fmt::format("{}={} ", c.id, static_cast<int>(c.state));
    return text;
  }
  template <class T>
  static errc code(const result<T>& r) {
    return r ? errc{} : r.error().code();
  }

  void command(const supervisor& real, model_supervisor& model) {
    const std::string id = workers.empty() || roll.one_in(10) ? "nobody" : workers[roll.below(workers.size())];
    switch (roll.below(4)) {
      case 0: {
        // Ids are unique in the whole tree, as the parts are known by them.
        const child_options o =
            random_options(model.has(id) && roll.one_in(2) ? id : new_worker(), model.made_from().shut_down_on);
        return expect(code(s.run(real.start_child(s.child(o)))), model.start_child(o), "start_child " + o.id);
      }
      case 1: return expect(code(s.run(real.terminate_child(id))), model.terminate_child(id), "terminate_child " + id);
      case 2: return expect(code(s.run(real.restart_child(id))), model.restart_child(id), "restart_child " + id);
      default: return expect(code(s.run(real.delete_child(id))), model.delete_child(id), "delete_child " + id);
    }
  }
  static void expect(errc real, errc model, const std::string& what) {
    EXPECT_EQ(static_cast<int>(real), static_cast<int>(model)) << what;
  }

  void compare(model_supervisor& model) {
    EXPECT_EQ(s.happened(), std::exchange(world.log, {}));
    if (!model.lives()) return;
    model.each(
        [&](model_supervisor& each) { EXPECT_EQ(real_states(handles.at(each.name())), each.states()) << each.name(); });
  }

  void run(int steps) {
    const auto root = random_plan(2);
    world.now = s.sim.now();
    model_supervisor model(world, root);
    const bool up = model.start() == model_supervisor::outcome::up;
    auto children = real_children(*root);
    const supervisor real = start_supervisor(s.sys, real_options(*root), std::move(children));
    handles[root->name] = real;
    s.sim.run_until_idle();
    EXPECT_EQ(s.run(real.started()).has_value(), up);
    compare(model);
    for (int step = 0; step < steps && model.lives() && !::testing::Test::HasFailure(); ++step) {
      if (workers.empty() || roll.one_in(3)) {
        std::vector<model_supervisor*> all;
        model.each([&](model_supervisor& each) { all.push_back(&each); });
        model_supervisor& one = *all[roll.below(all.size())];
        command(handles.at(one.name()), one);
      } else {
        const std::string id = workers[roll.below(workers.size())];
        if (roll.one_in(4)) set_script(id);
        const bool in_order = roll.one_in(2);
        if (model.child_ended(id, in_order)) {
          if (in_order) {
            s.end(id);
          } else {
            s.fail_child(id);
          }
        }
      }
      compare(model);
      if (roll.one_in(2)) {
        s.sim.advance(std::chrono::milliseconds(roll.below(4000)));
        world.now = s.sim.now();
      }
    }
    if (model.lives()) {
      model.stop();
      EXPECT_TRUE(s.run(real.stop(1h)).has_value());
      compare(model);
    }
    EXPECT_EQ(s.sim.live_tasks(), 0u);
  }
};

TEST(SupervisorModel, RandomTreesBehaveAsTheModel) {
  for (std::uint32_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    trial(seed).run(60);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace tandem::actors
