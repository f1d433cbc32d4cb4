// The record of a task holds a wait, an exception and an outcome one after the other, and each arrives whole.
#include <array>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

template <std::size_t N>
struct sized {
  std::array<unsigned char, N> bytes;
  std::shared_ptr<int> kept;
};

template <std::size_t N>
task<sized<N>> give(std::shared_ptr<int> kept) {
  (void)co_await sleep_for(1ms);  // its wait used the memory the outcome goes to
  sized<N> out{{}, std::move(kept)};
  std::iota(out.bytes.begin(), out.bytes.end(), static_cast<unsigned char>(1));
  co_return out;
}

template <std::size_t N>
void expect_arrives() {
  sim_runtime sim;
  const auto kept = std::make_shared<int>(7);
  {
    auto joined = sim.spawn([](std::shared_ptr<int> k) -> task<bool> {
      auto handle = spawn(give<N>(std::move(k)));
      const auto out = co_await handle.join();
      bool right = out && *out->kept == 7;
      for (std::size_t i = 0; right && i < N; ++i) right = out->bytes[i] == static_cast<unsigned char>(i + 1);
      co_return right;
    }(kept));
    sim.advance(1s);
    EXPECT_TRUE(joined.target().take().value());

    auto dropped = sim.spawn(give<N>(kept));
    sim.advance(1s);
    EXPECT_EQ(kept.use_count(), 2) << "the outcome that nobody took yet";
  }
  EXPECT_EQ(kept.use_count(), 1);
}

TEST(TaskRecord, OutcomesOfAnySizeArriveAndAreDestroyed) {
  expect_arrives<1>();
  expect_arrives<100>();
  expect_arrives<5'000>();
}

TEST(TaskRecord, TasksWithLargeOutcomesAreListedToo) {
  sim_runtime sim;
  auto handle = sim.spawn(give<5'000>(nullptr));
  EXPECT_EQ(sim.live_tasks(), 1U);
  sim.advance(1s);
  EXPECT_EQ(sim.live_tasks(), 0U);
  EXPECT_TRUE(handle.target().take());
}

task<> throw_after(duration wait) {
  (void)co_await sleep_for(wait);
  throw std::runtime_error("inner");
}

task<int> pass_through() {
  co_await throw_after(1ms);
  co_return 1;
}

task<std::string> catch_and_wait() {
  std::string caught;
  for (int i = 0; i < 3; ++i) {
    try {
      (void)co_await pass_through();
    } catch (const std::runtime_error& e) {
      caught += e.what();
    }
    (void)co_await sleep_for(1ms);  // a wait in the memory the exception was in
  }
  co_return caught;
}

TEST(TaskRecord, ExceptionsAndWaitsTakeTurns) {
  sim_runtime sim;
  auto handle = sim.spawn(catch_and_wait());
  sim.advance(1s);
  EXPECT_EQ(handle.target().take().value(), "innerinnerinner");
}

struct throws_at_its_end {
  ~throws_at_its_end() noexcept(false) { throw std::runtime_error("destructor"); }
};

task<std::string> value_then_throw() {
  const throws_at_its_end last;
  co_return std::string(100, 'x');
}

TEST(TaskRecord, AnExceptionOfADestructorAfterTheValueReplacesIt) {
  sim_runtime sim;
  auto handle = sim.spawn([]() -> task<std::string> {
    try {
      co_return co_await value_then_throw();
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
  });
  sim.advance(1s);
  EXPECT_EQ(handle.target().take().value(), "destructor");
}

TEST(TaskRecord, AContextThatEndsAndOneThatDoesNotNest) {
  sim_runtime sim;
  const cancel_source outer(sim.root_context());
  auto handle = sim.spawn(
      []() -> task<std::string> {
        const cancel_source inner(this_task::context());
        const auto first = co_await with_context(inner.context(), []() -> task<result<void>> {
          co_return co_await without_cancel([]() -> task<result<void>> { co_return co_await sleep_for(1ms); }());
        }());
        inner.cancel();
        const auto second = co_await with_context(inner.context(), []() -> task<result<void>> {
          co_return co_await sleep_for(1ms);
        }());
        const auto third = co_await sleep_for(1ms);
        co_return std::string(first ? "ok " : "ended ") + (second ? "ok " : "ended ") + (third ? "ok" : "ended");
      },
      outer.context());
  sim.advance(1s);
  EXPECT_EQ(handle.target().take().value(), "ok ended ok");
}

}  // namespace
}  // namespace tandem
