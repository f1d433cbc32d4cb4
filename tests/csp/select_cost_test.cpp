// What a select does to its arms: an operation takes one lock, so counting operations counts locks.
#include <tandem/csp/select.hpp>

#include <cstdint>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/any_arm.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::sim_runtime;

struct operations {
  int attempts = 0, enlisted = 0, delisted = 0;
};

/// An arm that receives, and counts what is asked of it.
class counted_arm final : public detail::select_arm {
 public:
  using outcome = result<int>;
  static constexpr bool repeats = true;

  counted_arm(const receiver<int>& from, operations& n) noexcept : receives_(from.target()), count_(n) {}
  counted_arm(counted_arm&& other) noexcept : receives_(std::move(other.receives_)), count_(other.count_) {}

  [[nodiscard]] bool may_be_ready() const noexcept override { return receives_.may_be_ready(); }
  [[nodiscard]] bool attempt() noexcept override {
    ++count_.attempts;
    return receives_.attempt();
  }
  [[nodiscard]] detail::commit enlist(detail::selection& own, std::uint32_t arm, detail::task_record& task) override {
    ++count_.enlisted;
    return receives_.enlist(own, arm, task);
  }
  void delist(bool settled) noexcept override {
    if (!settled) ++count_.delisted;
    receives_.delist(settled);
  }
  [[nodiscard]] outcome take() { return receives_.take(); }
  void retain() const noexcept { receives_.retain(); }
  void release() const noexcept { receives_.release(); }

 private:
  detail::recv_arm<int> receives_;
  operations& count_;
};

TEST(SelectCost, ASelectThatNeedNotWaitIsOneChannelOperation) {
  sim_runtime sim;
  operations all;
  auto body = [&all]() -> task<> {
    auto [a_out, a] = make_channel<int>(1);
    auto [b_out, b] = make_channel<int>(1);
    auto [c_out, c] = make_channel<int>(1);
    for (int i = 0; i < 1000; ++i) {
      (void)a_out.try_send(1);
      if (i % 2 == 0) (void)b_out.try_send(1);
      (void)co_await select(counted_arm(a, all), counted_arm(b, all), counted_arm(c, all), counted_arm(c, all));
    }
  };
  ASSERT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(all.attempts, 1000);
  EXPECT_EQ(all.enlisted, 0);
  EXPECT_EQ(all.delisted, 0);
}

TEST(SelectCost, SoIsOneOverAVector) {
  sim_runtime sim;
  operations all;
  auto body = [&all]() -> task<> {
    std::vector<any_arm<result<int>>> arms;
    std::vector<sender<int>> out;
    for (int i = 0; i < 70; ++i) {
      auto [tx, rx] = make_channel<int>(1);
      arms.emplace_back(counted_arm(rx, all));
      out.push_back(std::move(tx));
    }
    for (int i = 0; i < 1000; ++i) {
      (void)out[static_cast<std::size_t>(i) % 70].try_send(1);
      (void)out[static_cast<std::size_t>(i) % 7].try_send(1);
      (void)co_await select(arms);
    }
  };
  ASSERT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(all.attempts, 1000);
  EXPECT_EQ(all.enlisted, 0);
  EXPECT_EQ(all.delisted, 0);
}

TEST(SelectCost, OneThatWaitsEntersEachListOnceAndLeavesAllButTheWinners) {
  sim_runtime sim;
  operations all;
  auto body = [&all]() -> task<> {
    auto [a_out, a] = make_channel<int>(0);
    auto [b_out, b] = make_channel<int>(0);
    for (int i = 0; i < 1000; ++i) {
      auto sending = spawn(send_by(a_out, 1));
      (void)co_await select(counted_arm(a, all), counted_arm(b, all), counted_arm(b, all));
      (void)co_await sending.join();
    }
  };
  ASSERT_TRUE(sim.run(body).has_value());
  EXPECT_EQ(all.attempts, 0);
  EXPECT_EQ(all.enlisted, 3000);
  EXPECT_EQ(all.delisted, 2000);
}

}  // namespace
}  // namespace tandem::csp
