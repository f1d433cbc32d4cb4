// Actors that the tests of routers send to.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <tandem/actors/system.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::actors {

struct item {
  int n = 0;
};
struct plug {};  // keeps a sink busy until its gate opens
struct who {
  int n = 0;
};
struct stop {};

/// Writes down what it gets.
struct sink_state {
  bool open = true;
  bool plugged = false;
  std::vector<int> seen;
  int asked = 0;
  error answer_with;
  bool destroyed = false;
  actor_context* self = nullptr;  // while it lives
};

class sink {
 public:
  using protocol = actors::protocol<void(item), void(plug), int(who), void(stop)>;
  sink(actor_context& self, sink_state& s) : self_(self), state_(s) { s.self = &self; }
  sink(actor_context& self, const std::shared_ptr<sink_state>& s) : sink(self, *s) { owned_ = s; }
  ~sink() { state_.destroyed = true; }
  sink(const sink&) = delete;
  sink& operator=(const sink&) = delete;

  void on(item m) { state_.seen.push_back(m.n); }
  task<> on(plug) {
    state_.open = false;
    state_.plugged = true;
    while (!state_.open)
      if (auto slept = co_await sleep_for(std::chrono::milliseconds(1)); !slept) break;
    state_.plugged = false;
  }
  result<int> on(who m) {
    ++state_.asked;
    if (state_.answer_with) return fail(state_.answer_with);
    return m.n + 1;
  }
  void on(stop) { self_.quit(); }

 private:
  actor_context& self_;
  std::shared_ptr<sink_state> owned_;
  sink_state& state_;
};

/// Some sinks with small mailboxes.
struct sinks {
  explicit sinks(system& sys, std::size_t n, std::size_t capacity = 1024) {
    states.resize(n);
    for (std::size_t i = 0; i < n; ++i)
      refs.push_back(sys.spawn<sink>(spawn_actor_options("sink " + std::to_string(i), capacity),
                                     std::shared_ptr<sink_state>(shared, &states[i])));
  }
  /// Busy with a plug, and as many items waiting as the mailbox takes.
  template <class Sim>
  void fill(Sim& sim, std::size_t i) {
    (void)refs[i].try_tell(plug{});
    sim.run_until_idle();
    while (refs[i].try_tell(item{-1})) {
    }
  }
  template <class Sim>
  void end(Sim& sim, std::size_t i) {
    (void)refs[i].try_tell(stop{});
    sim.run_until_idle();
  }
  [[nodiscard]] std::vector<std::size_t> counts() const {
    std::vector<std::size_t> all;
    for (const auto& s : states) all.push_back(s.seen.size());
    return all;
  }

  // With the sinks, which may live longer than this.
  std::shared_ptr<std::vector<sink_state>> shared = std::make_shared<std::vector<sink_state>>();
  std::vector<sink_state>& states = *shared;
  std::vector<sink::protocol::ref> refs;
};

}  // namespace tandem::actors
