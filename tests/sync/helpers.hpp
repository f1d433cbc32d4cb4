// What the tests of sync are made of.
#pragma once
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::sync {

template <class T>
inline constexpr bool stays_where_it_is = !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> &&
                                          !std::is_move_constructible_v<T> && !std::is_move_assignable_v<T>;
template <class T>
inline constexpr bool only_moves = !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> &&
                                   std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>;

/// A task that awaits what `begin()` gives, an operation or a task, and keeps how that ended.
template <class T>
class attempt {
 public:
  template <class F>
  attempt(testing::sim_runtime& sim, F begin, const spawn_options& options = {}) {
    sim.spawn(run(state_, std::move(begin)), options).disown();
  }

  [[nodiscard]] bool begun() const noexcept { return state_->begun; }
  [[nodiscard]] bool done() const noexcept { return state_->ended.has_value(); }
  [[nodiscard]] bool waits() const noexcept { return begun() && !done(); }
  [[nodiscard]] bool succeeded() const noexcept { return done() && state_->ended->has_value(); }
  /// Of one that failed.
  [[nodiscard]] errc code() const { return state_->ended.value().error().code(); }
  [[nodiscard]] result<T>& outcome() { return state_->ended.value(); }
  /// Lets go of what it got.
  void drop() { outcome() = fail(errc::aborted); }

 private:
  struct state {
    bool begun = false;
    std::optional<result<T>> ended;
  };

  template <class F>
  static task<> run(std::shared_ptr<state> s, F begin) {
    s->begun = true;
    result<T> got = co_await begin();
    s->ended.emplace(std::move(got));
  }

  std::shared_ptr<state> state_ = std::make_shared<state>();
};

/// Expects `body` to throw a std::logic_error that says `advice`.
template <class E = std::logic_error, class F>
void expect_refused(F body, const char* advice) {
  try {
    body();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const E& thrown) {
    EXPECT_NE(std::string(thrown.what()).find(advice), std::string::npos) << thrown.what();
  }
}

class SyncDeathTest : public ::testing::Test {
 protected:
  SyncDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int stress_divisor = 10;
#else
inline constexpr int stress_divisor = 1;
#endif

}  // namespace tandem::sync
