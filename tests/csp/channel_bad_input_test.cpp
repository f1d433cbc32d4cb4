// What a channel makes of input that cannot be right, and of ends that go at the wrong moment.
#include <array>
#include <limits>
#include <memory>
#include <new>
#include <string>

#include <gtest/gtest.h>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/lossy.hpp>
#include <tandem/csp/oneshot.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/csp/unbounded.hpp>
#include <tandem/testing/leak_check.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "helpers.hpp"

namespace tandem::csp {
namespace {

using testing::leak_check;
using testing::sim_runtime;

struct throwing_move {
  throwing_move(throwing_move&&) noexcept(false) {}
};
struct throwing_destructor {
  throwing_destructor(throwing_destructor&&) noexcept {}
  ~throwing_destructor() noexcept(false) {}
};
struct immovable {
  immovable(immovable&&) = delete;
};
struct alignas(64) strictly_aligned {};

// make_channel<T>() of the latter does not compile, and says why.
static_assert(channel_value<int> && channel_value<std::unique_ptr<int>> && channel_value<std::string>);
static_assert(!channel_value<throwing_move> && !channel_value<throwing_destructor> && !channel_value<immovable>);
static_assert(!channel_value<int&> && !channel_value<void> && !channel_value<strictly_aligned>);

TEST(ChannelCapacity, BeyondAnyMemoryIsBadAlloc) {
  leak_check nothing_left;
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  using large = std::array<char, 1024>;
  EXPECT_THROW((void)make_channel<char>(most), std::bad_array_new_length);
  EXPECT_THROW((void)make_channel<char>(most / 2), std::bad_array_new_length);
  EXPECT_THROW((void)make_channel<large>(most / 1024 + 1), std::bad_array_new_length);
  EXPECT_THROW((void)make_drop_oldest<int>(most), std::bad_array_new_length);
  EXPECT_THROW((void)make_drop_newest<int>(most), std::bad_array_new_length);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // which end the program instead
TEST(ChannelCapacity, BeyondTheMemoryThereIsBadAlloc) {
  leak_check nothing_left;
  EXPECT_THROW((void)make_channel<char>(std::size_t{1} << 60), std::bad_alloc);
}
#endif

TEST(ChannelCapacity, MayBeLarge) {
  leak_check nothing_left;
  auto [tx, rx] = make_channel<int>(1'000'000);
  for (int i = 0; i < 1'000'000; ++i) ASSERT_TRUE(tx.try_send(i).has_value());
  EXPECT_EQ(tx.try_send(0).error(), errc::would_block);
  for (int i = 0; i < 1'000'000; ++i) ASSERT_EQ(*rx.try_recv(), i);
}

template <class T>
class ChannelOfType : public ::testing::Test {};

struct one_byte {
  char c;
};
struct three_bytes {
  char c[3];
};
struct alignas(16) sixteen {
  char c;
};
using value_types = ::testing::Types<one_byte, three_bytes, double, sixteen, std::array<sixteen, 100>>;
TYPED_TEST_SUITE(ChannelOfType, value_types);

template <class T>
bool is_aligned(const T& value) {
  return reinterpret_cast<std::uintptr_t>(&value) % alignof(T) == 0;
}

/// Tells whether it was always where its type may be.
template <class T>
struct placed {
  placed() = default;
  placed(placed&& other) noexcept : right(other.right && is_aligned(value) && is_aligned(other.value)) {}
  T value{};
  bool right = true;
};

TYPED_TEST(ChannelOfType, KeepsItsValuesAligned) {
  leak_check nothing_left;
  for (const std::size_t capacity : {1U, 2U, 7U, 100U}) {
    auto [tx, rx] = make_channel<placed<TypeParam>>(capacity);
    for (std::size_t i = 0; i < capacity; ++i) ASSERT_TRUE(tx.try_send(placed<TypeParam>()).has_value());
    while (auto got = rx.try_recv()) EXPECT_TRUE(got->right);
  }
  auto [tx, rx] = make_unbounded<placed<TypeParam>>();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(tx.send(placed<TypeParam>()).has_value());
  while (auto got = rx.try_recv()) EXPECT_TRUE(got->right);
}

TEST(ChannelClosed, EverySendFailsAndLeavesTheValue) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_channel<std::unique_ptr<int>>(4);
  tx.close();
  auto body = [&]() -> task<> {
    auto value = std::make_unique<int>(7);
    EXPECT_EQ((co_await tx.send(std::move(value))).error(), errc::closed);
    EXPECT_EQ(tx.try_send(std::move(value)).error(), errc::closed);
    auto chosen = co_await select(on_send(tx, std::move(value)));
    EXPECT_EQ(std::get<0>(*chosen).error(), errc::closed);
    EXPECT_TRUE(value);
  };
  EXPECT_TRUE(sim.run(body).has_value());
  auto value = std::make_unique<int>(7);
  EXPECT_EQ(tx.blocking_send(std::move(value)).error(), errc::closed);
  EXPECT_TRUE(value);
  EXPECT_FALSE(tx.close());
  EXPECT_FALSE(rx.close());
}

// A channel lives as long as a handle does, so it is never destroyed while somebody waits who holds one. What can go
// is the other end.
TEST(ChannelDestroyed, UnderAllKindsOfWaitersEndsThemWithClosed) {
  leak_check nothing_left;
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto [into, from] = make_channel<int>(0);
  auto select_on = [](receiver<int> in) -> task<errc> {
    auto chosen = co_await select(on_recv(in));
    co_return std::get<0>(*chosen).error().code();
  };
  auto receiving = sim.spawn(recv_one(rx));
  auto selecting = sim.spawn(select_on(rx));
  auto sending = sim.spawn(send_one(into, 1));
  rx = {};
  into = {};
  sim.run_until_idle();
  ASSERT_FALSE(receiving.done() || selecting.done() || sending.done());
  tx = {};
  from = {};
  sim.run_until_idle();
  EXPECT_EQ(sim.get(receiving).error(), errc::closed);
  EXPECT_EQ(sim.get(selecting).value(), errc::closed);
  EXPECT_EQ(sim.get(sending).error(), errc::closed);
  EXPECT_EQ(sim.live_tasks(), 0U);
}

// Each waits by a handle that is not its own, and goes.
task<> patient_recv(const receiver<int>& rx) { (void)co_await rx.recv(); }
task<> patient_send(const sender<int>& tx) { (void)co_await tx.send(1); }
task<> patient_select(const receiver<int>& rx) { (void)co_await select(on_recv(rx)); }

void destroy_the_last_receiver(task<> (*wait)(const receiver<int>&)) {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(1);
  auto waiting = sim.spawn(wait(rx), "patient");
  sim.run_until_idle();
  rx = {};
}

void destroy_the_last_sender() {
  sim_runtime sim;
  auto [tx, rx] = make_channel<int>(0);
  auto waiting = sim.spawn(patient_send(tx), "patient");
  sim.run_until_idle();
  tx = {};
}

TEST(ChannelDestroyedDeathTest, TheHandleByWhichATaskWaitsIsLoud) {
  EXPECT_DEATH(destroy_the_last_receiver(patient_recv),
               "the last receiver of a channel \\(.*channel_bad_input_test.cpp:[0-9]+\\) was destroyed while 'patient' "
               "waits by it");
  EXPECT_DEATH(destroy_the_last_receiver(patient_select), "the last receiver .* while 'patient' waits by it");
  EXPECT_DEATH(destroy_the_last_sender(), "the last sender .* while 'patient' waits by it");
}

}  // namespace
}  // namespace tandem::csp
