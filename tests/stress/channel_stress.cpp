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

// Each select offers to send to one channel and to receive from two; any pair of them may meet. Some have a limit of
// time, some are cancelled in the middle. Each value has a number, is sent at most once, and is received if it was sent.
struct hall {
  static constexpr std::size_t channels = 6;
  static constexpr std::uint64_t used_up = ~std::uint64_t{0};
  std::array<sender<std::uint64_t>, channels> out;
  std::array<receiver<std::uint64_t>, channels> in;
  std::atomic<std::uint64_t> next{0}, messages{0};
  const std::uint64_t goal;
  std::vector<std::atomic<std::uint8_t>> sent, received;

  explicit hall(std::uint64_t wanted) : goal(wanted), sent(2 * wanted), received(2 * wanted) {
    constexpr std::array<std::size_t, channels> capacities{0, 0, 1, 1, 4, 4};
    for (std::size_t i = 0; i < channels; ++i)
      std::tie(out[i], in[i]) = csp::make_channel<std::uint64_t>(capacities[i]);
  }
  std::uint64_t new_value() {
    const std::uint64_t n = next++;
    return n < sent.size() ? n : used_up;
  }
  std::uint64_t was_sent(std::uint64_t value) {
    ++sent.at(value);
    if (++messages == goal)
      for (auto& tx : out) tx.close();
    return new_value();
  }
};

task<> play(hall& h, std::uint32_t seed, bool limited) {
  std::mt19937 random(seed);
  for (std::uint64_t value = h.new_value(); value != hall::used_up;) {
    const auto& to = h.out[random() % hall::channels];
    const auto& a = h.in[random() % hall::channels];
    const auto& b = h.in[random() % hall::channels];
    const duration limit = limited ? duration(std::chrono::microseconds(random() % 200)) : duration::max();
    auto chosen = co_await csp::select(csp::on_send(to, value), csp::on_recv(a), csp::on_recv(b),
                                       csp::on_timeout(limit));
    if (!chosen) co_return;
    if (chosen->index() == 3) continue;
    if (chosen->index() == 0) {
      if (!std::get<0>(*chosen)) co_return;
      value = h.was_sent(value);
    } else {
      auto& got = chosen->index() == 1 ? std::get<1>(*chosen) : std::get<2>(*chosen);
      if (!got) co_return;
      ++h.received.at(*got);
    }
  }
}

task<> cancel_halfway(hall& h, cancel_source some) {
  while (h.messages < h.goal / 2) (void)co_await yield();
  some.cancel();
}

std::uint64_t select_round(const settings& how, std::uint32_t seed) {
  runtime rt({.workers = how.workers});
  std::mt19937 random(seed);
  hall h(20'000);
  const bool limited = random() % 2 == 0;
  const cancel_source some(rt.root_context());
  std::vector<join_handle<void>> players;
  for (int i = 0; i < 48; ++i) players.push_back(rt.spawn(play(h, random(), limited)));
  for (int i = 0; i < 16; ++i) players.push_back(rt.spawn(play(h, random(), limited), some.context()));
  if (limited) players.push_back(rt.spawn(cancel_halfway(h, some)));
  auto join_all = [](std::vector<join_handle<void>>& tasks) -> task<> {
    for (auto& t : tasks) (void)co_await t.join();
  };
  rt.block_on(join_all(players));
  for (auto& rx : h.in)  // what was in the buffers when the channels closed
    while (auto left = rx.try_recv()) ++h.received.at(*left);
  for (std::size_t i = 0; i < h.sent.size(); ++i) {
    check(h.sent[i] <= 1 && h.received[i] <= 1, "a value was doubled");
    check(h.sent[i] == h.received[i], "a value was lost, or arrived though it was not sent");
  }
  check(h.messages >= h.goal, "the players stopped early");
  return h.messages;
}

}  // namespace

std::vector<primitive> channel_primitives() {
  return {{"channel", "many producers and consumers: every message arrives once", channel_round},
          {"select", "selects that meet, time out and are cancelled: each value sent is received once", select_round}};
}

}  // namespace stress
