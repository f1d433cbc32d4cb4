// Selects allocate nothing, whether they wait or not. A binary of its own, because it replaces operator new.
#include <tandem/csp/select.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <tandem/csp/any_arm.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace {
std::atomic<std::size_t> allocations{0};

void* allocate(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);  // a count; the tests run on one thread
  if (void* const memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace tandem::csp {
namespace {

using namespace std::chrono_literals;
using testing::sim_runtime;

constexpr int rounds = 1'000;

// Counts what a loop allocates in its second half, when what grows once has grown. Only the loop itself: calling a
// coroutine may allocate.
class counted_rounds {
 public:
  [[nodiscard]] bool next() noexcept {
    if (done_ == rounds) before_ = allocations;
    if (done_ == 2 * rounds) grown_ = allocations - before_;
    return done_++ < 2 * rounds;
  }
  [[nodiscard]] int round() const noexcept { return done_; }
  [[nodiscard]] std::size_t grown() const noexcept { return grown_; }

 private:
  int done_ = 0;
  std::size_t before_ = 0;
  std::size_t grown_ = 1;  // unless it gets to the end
};

template <class Body>
std::size_t allocations_of(Body body) {
  sim_runtime sim;
  counted_rounds count;
  auto measured = [&]() -> task<> { co_await body(count); };
  EXPECT_TRUE(sim.run(measured).has_value());
  return count.grown();
}

TEST(SelectMemory, TheCountItselfSeesAllocations) {
  const std::size_t before = allocations;
  const int* const made = new int(1);
  asm volatile("" : : "r"(made) : "memory");  // else the compiler may leave both out
  delete made;
  EXPECT_EQ(allocations - before, 1U);
}

TEST(SelectMemory, AReadySelectAllocatesNothing) {
  auto [tx, rx] = make_channel<int>(1);
  auto [into, from] = make_channel<int>(1);
  const cancel_source session;
  auto body = [&, &tx = tx, &rx = rx, &into = into, &from = from](counted_rounds& count) -> task<> {
    while (count.next()) {
      (void)tx.try_send(1);
      (void)co_await select(on_recv(rx), on_send(into, 1), on_done(session.context()), on_timeout(1s), otherwise());
      (void)from.try_recv();
    }
  };
  EXPECT_EQ(allocations_of(body), 0U);
}

// Receives from and sends to a task that does nothing else, so that the selects wait.
struct peer {
  std::pair<sender<int>, receiver<int>> there = make_channel<int>(0);
  std::pair<sender<int>, receiver<int>> back = make_channel<int>(0);
  task<> answer() const {
    while (auto got = co_await there.second.recv())
      if (auto sent = co_await back.first.send(*got); !sent) co_return;
  }
};

TEST(SelectMemory, AWaitingSelectAllocatesNothing) {
  const peer other;
  const cancel_source session;
  auto body = [&](counted_rounds& count) -> task<> {
    auto answering = spawn(other.answer());
    while (count.next()) {
      (void)co_await select(on_send(other.there.first, 1), on_recv(other.back.second), on_done(session.context()),
                            on_timeout(1s));
      (void)co_await select(on_recv(other.back.second), on_recv(other.back.second), on_done(session.context()),
                            on_timeout(1s));
    }
    other.there.first.close();
    (void)co_await answering.join();
  };
  EXPECT_EQ(allocations_of(body), 0U);
}

TEST(SelectMemory, ATimeoutThatPassesAllocatesNothing) {
  const receiver<int> never;
  auto body = [&](counted_rounds& count) -> task<> {
    while (count.next()) (void)co_await select(on_recv(never), on_timeout(1ms));
  };
  EXPECT_EQ(allocations_of(body), 0U);
}

TEST(SelectMemory, ASelectOverAVectorAllocatesNothing) {
  std::vector<any_arm<result<int>>> arms;
  std::vector<sender<int>> out;
  const std::size_t before = allocations;
  for (int i = 0; i < 70; ++i) {
    auto [tx, rx] = make_channel<int>(1);
    out.push_back(std::move(tx));
    arms.emplace_back(on_recv(rx));
  }
  EXPECT_GE(allocations - before, 70U);  // making them does
  auto send_later = [&](int n) -> task<> {
    for (int i = 0; i < n; ++i) {
      (void)co_await sleep_for(1ms);
      (void)out[static_cast<std::size_t>(i) % 70].try_send(i);
    }
  };
  auto ready = [&](counted_rounds& count) -> task<> {
    while (count.next()) {
      (void)out[static_cast<std::size_t>(count.round()) % 70].try_send(1);
      (void)co_await select(arms);
    }
  };
  EXPECT_EQ(allocations_of(ready), 0U);
  auto waiting = [&](counted_rounds& count) -> task<> {
    auto sending = spawn(send_later(2 * rounds));
    while (count.next()) (void)co_await select(arms);
    (void)co_await sending.join();
  };
  EXPECT_EQ(allocations_of(waiting), 0U);
}

}  // namespace
}  // namespace tandem::csp
