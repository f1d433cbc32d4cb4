// Channels: sums are conserved between senders and receivers, plain ones and selects.
#include <array>
#include <atomic>
#include <random>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>

#include "stress.hpp"

namespace stress {
namespace {

using namespace tandem;
using csp::receiver;
using csp::sender;

struct totals {
  std::atomic<std::uint64_t> sent{0}, received{0}, messages{0};
};

task<> produce(sender<std::uint64_t> to, std::uint64_t n, totals& all) {
  for (std::uint64_t i = 1; i <= n; ++i) {
    auto placed = co_await to.send(i);
    check(placed.has_value(), "a send failed while the channel was open");
    all.sent += i;
  }
}

task<> consume(receiver<std::uint64_t> from, totals& all) {
  for (;;) {
    auto got = co_await from.recv();
    if (!got) co_return;
    all.received += *got;
    ++all.messages;
  }
}

std::uint64_t channel_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  std::mt19937 random(seed);
  constexpr std::uint64_t producers = 6, n = 2'000;
  totals all;
  std::vector<join_handle<void>> handles;
  {
    auto [tx, rx] = csp::make_channel<std::uint64_t>(random() % 3 == 0 ? 0 : random() % 64);
    for (std::uint64_t i = 0; i < producers; ++i) handles.push_back(rt.spawn(produce(tx, n, all)));
    for (int i = 0; i < 4; ++i) handles.push_back(rt.spawn(consume(rx, all)));
  }
  auto join_all = [](std::vector<join_handle<void>>& tasks) -> task<> {
    for (auto& t : tasks) (void)co_await t.join();
  };
  rt.block_on(join_all(handles));
  check(all.messages == producers * n, "a message was lost or doubled");
  check(all.sent == all.received, "a value was changed");
  return all.messages;
}

// Each select offers to send to one channel and to receive from two; any pair of them may meet.
struct hall {
  static constexpr std::size_t channels = 5;
  std::array<sender<std::uint64_t>, channels> out;
  std::array<receiver<std::uint64_t>, channels> in;
  totals all;
  std::uint64_t goal;

  hall(std::mt19937& random, std::uint64_t messages) : goal(messages) {
    for (std::size_t i = 0; i < channels; ++i)
      std::tie(out[i], in[i]) = csp::make_channel<std::uint64_t>(random() % 3);
  }
  void sent(std::uint64_t value) {
    all.sent += value;
    if (++all.messages == goal)
      for (auto& tx : out) tx.close();
  }
};

task<> play(hall& h, std::uint32_t seed) {
  std::mt19937 random(seed);
  for (;;) {
    const std::uint64_t value = random() % 1'000;
    const auto& to = h.out[random() % hall::channels];
    const auto& a = h.in[random() % hall::channels];
    const auto& b = h.in[random() % hall::channels];
    auto chosen = co_await csp::select(csp::on_send(to, value), csp::on_recv(a), csp::on_recv(b));
    if (!chosen) co_return;
    if (chosen->index() == 0) {
      if (!std::get<0>(*chosen)) co_return;
      h.sent(value);
    } else {
      auto& got = chosen->index() == 1 ? std::get<1>(*chosen) : std::get<2>(*chosen);
      if (!got) co_return;
      h.all.received += *got;
    }
  }
}

std::uint64_t select_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  std::mt19937 random(seed);
  hall h(random, 20'000);
  std::vector<join_handle<void>> players;
  for (int i = 0; i < 32; ++i) players.push_back(rt.spawn(play(h, random())));
  auto join_all = [](std::vector<join_handle<void>>& tasks) -> task<> {
    for (auto& t : tasks) (void)co_await t.join();
  };
  rt.block_on(join_all(players));
  for (auto& rx : h.in)  // what was in the buffers when the channels closed
    while (auto left = rx.try_recv()) h.all.received += *left;
  check(h.all.sent == h.all.received, "a value was lost or taken twice");
  check(h.all.messages >= h.goal, "the players stopped early");
  return h.all.messages;
}

}  // namespace

std::vector<primitive> channel_primitives() {
  return {{"channel", "many producers and consumers: every message arrives once", channel_round},
          {"select", "selects that may meet each other: what is sent is received, once", select_round}};
}

}  // namespace stress
