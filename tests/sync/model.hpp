// Random operations against a primitive and against the obvious single-threaded model of it.
//
// The model is asked at the same points as the primitive: when a task begins its operation, when one is cancelled or
// its limit comes, when something is given back. It says at once how each operation ends, or that it waits; once the
// simulation is idle both must agree on every one.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::sync {

enum class fate : std::uint8_t { not_begun, waits, done, cancelled, timed_out };

/// An operation as the model sees it, and how the real one ended.
struct model_operation {
  explicit model_operation(const context& under) : source(under) {}

  fate expected = fate::not_begun;
  std::optional<fate> ended;  // unless it waits
  cancel_source source;
  time_point limit = no_deadline;
  std::int64_t number = 0;  // its meaning is the model's
};

/// How the real one ended.
template <class T>
fate fate_of(const result<T>& outcome) {
  if (outcome) return fate::done;
  return outcome.error().code() == errc::timed_out ? fate::timed_out : fate::cancelled;
}

class model_run {
 public:
  explicit model_run(std::uint32_t seed)
      : random_(seed), sim_({.seed = seed, .order = testing::task_order::shuffled}) {}
  virtual ~model_run() = default;
  model_run(const model_run&) = delete;
  model_run& operator=(const model_run&) = delete;

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      step();
      if (draw(3) == 0) compare();
    }
    compare();
    for (auto& o : all_) o->source.cancel();
    sim_.run_until_idle();
  }

 protected:
  /// Begins a random operation: one task, which calls begin() and then the primitive.
  virtual task<> perform(model_operation& o) = 0;
  /// The model's part: takes effect now, or waits.
  virtual bool attempt(model_operation& o) = 0;
  /// `o` has given up, and waits no more. Others may take its place.
  virtual void gave_up(model_operation& o) = 0;
  /// Anything but a waiting operation.
  virtual void do_something_else() = 0;
  virtual void expect_same() = 0;

  [[nodiscard]] unsigned draw(unsigned below) { return static_cast<unsigned>(random_() % below); }

  /// Called by perform(), right before the real operation.
  void begin(model_operation& o) {
    if (attempt(o))
      o.expected = fate::done;
    else if (o.source.context().is_over())
      o.expected = fate::cancelled;
    else if (o.limit <= sim_.now())
      o.expected = fate::timed_out;
    else
      wait(o);
  }

  std::vector<model_operation*> waiting_;  // in the order they came
  std::mt19937 random_;

 private:
  void wait(model_operation& o) {
    o.expected = fate::waits;
    waiting_.push_back(&o);
  }
  void give_up(model_operation& o, fate how) {
    o.expected = how;
    std::erase(waiting_, &o);
    gave_up(o);
  }

  void step() {
    switch (draw(8)) {
      case 0:
      case 1:
      case 2: {
        if (all_.size() > 60) forget_ended();
        model_operation& o = *all_.emplace_back(std::make_unique<model_operation>(sim_.root_context()));
        // All limits differ, as the order of timers that are due together is nobody's promise.
        if (draw(3) == 0) {
          const unsigned after = draw(3) == 0 ? 0 : 1'000 * draw(20) + ++limits_ % 1'000;
          o.limit = sim_.now() + std::chrono::nanoseconds(after);
        }
        sim_.spawn(perform(o), o.source.context()).disown();
        break;
      }
      case 3:
        if (!all_.empty()) cancel(*all_[draw(static_cast<unsigned>(all_.size()))]);
        break;
      case 4:
        advance(std::chrono::nanoseconds(draw(8'000)));
        break;
      default:
        do_something_else();
    }
  }

  void cancel(model_operation& o) {
    if (o.expected == fate::waits) give_up(o, fate::cancelled);
    o.source.cancel();
  }

  void advance(duration d) {
    compare();
    const time_point end = sim_.now() + d;
    for (;;) {
      const auto next = std::ranges::min_element(waiting_, {}, &model_operation::limit);
      if (next == waiting_.end() || (*next)->limit > end) break;
      give_up(**next, fate::timed_out);
    }
    sim_.advance(d);
    compare();
  }

  void compare() {
    sim_.run_until_idle();
    for (const auto& o : all_) {
      ASSERT_NE(o->expected, fate::not_begun);
      ASSERT_EQ(o->ended.has_value(), o->expected != fate::waits);
      if (o->ended) {
        ASSERT_EQ(*o->ended, o->expected);
      }
    }
    expect_same();
  }

  void forget_ended() {
    sim_.run_until_idle();
    std::erase_if(all_, [](const auto& o) { return o->ended.has_value(); });
  }

  std::vector<std::unique_ptr<model_operation>> all_;
  unsigned limits_ = 0;

 protected:
  testing::sim_runtime sim_;
};

/// For a primitive that must outlive the run.
template <class Primitive>
struct model_subject {
  template <class... T>
  explicit model_subject(T... arguments) : real(arguments...) {}
  Primitive real;
};

template <class Run>
void compare_with_model() {
  for (std::uint32_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    Run run(seed);
    run.run(4'000);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace tandem::sync
