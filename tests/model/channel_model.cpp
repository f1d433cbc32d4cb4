// Channels and select: whatever meets, each value goes to one receiver or stays with its sender, and everybody ends.
// The code is that of csp, with its operations.
#include <tandem/csp/channel.hpp>
#include <tandem/csp/select.hpp>

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "fake_task.hpp"
#include "world.hpp"

namespace tandem::model {
namespace {

// A value: who moves from it leaves nothing, and it is no good without what was written before it was sent. To move it
// takes steps, between which others may look.
class token {
 public:
  static constexpr int none = -1;

  explicit token(int n) noexcept : number_(n) {}
  token(token&& other) noexcept : number_(none) {
    number_.store(other.number(), std::memory_order_relaxed);
    other.number_.store(none, std::memory_order_relaxed);
  }
  token& operator=(token&&) = delete;
  ~token() = default;
  [[nodiscard]] int number() const noexcept { return number_.load(std::memory_order_relaxed); }

 private:
  detail::sync::atomic<int> number_;
};

// Lives in memory that is spoilt when it ends, so that a party who touches it later is found out.
template <class T>
class spoilt_after {
 public:
  template <class Make>
  explicit spoilt_after(Make make) : object_(new (memory_) T(make())) {}
  ~spoilt_after() {
    object_->~T();
    std::memset(memory_, 0xEE, sizeof(memory_));
    asm volatile("" : : "r"(memory_) : "memory");  // else nobody would read what was stored
  }
  spoilt_after(const spoilt_after&) = delete;
  spoilt_after& operator=(const spoilt_after&) = delete;
  [[nodiscard]] T& get() noexcept { return *object_; }

 private:
  alignas(T) std::byte memory_[sizeof(T)];
  T* const object_;
};
template <class Make>
spoilt_after(Make) -> spoilt_after<std::invoke_result_t<Make>>;

struct scene {
  static constexpr std::size_t values = 4;

  explicit scene(std::size_t capacity)
      : channels{csp::make_channel<token>(capacity), csp::make_channel<token>(capacity)} {
    prepare_fake_tasks();
  }

  [[nodiscard]] const csp::sender<token>& out(std::size_t c) const { return channels[c].first; }
  [[nodiscard]] const csp::receiver<token>& in(std::size_t c) const { return channels[c].second; }
  void close_both() const {
    for (const auto& [out, in] : channels) (void)out.close();
  }

  token make(std::size_t n) {
    data[n].set(100 + n);
    return token(static_cast<int>(n));
  }
  void received(const token& value) {
    const int number = value.number();
    check(number >= 0 && number < static_cast<int>(values), "a value that nobody sent");
    const auto n = static_cast<std::size_t>(number);
    check(data[n].get() == 100 + n, "a value came before what was written for it");
    check(++taken[n] == 1, "a value was received twice");
  }
  // What became of `value`, number n.
  void sent(std::size_t n, const token& value, bool placed) {
    check(value.number() == (placed ? token::none : static_cast<int>(n)), "a value is both sent and kept, or neither");
    wanted[n] = placed ? 1 : 0;
  }
  void check_conserved() {
    for (const auto& [out, in] : channels)
      while (const auto left = in.try_recv()) received(*left);
    check(taken == wanted, "a value that was sent is lost");
  }

  std::array<std::pair<csp::sender<token>, csp::receiver<token>>, 2> channels;
  std::array<plain, values> data;
  std::array<int, values> taken{};
  std::array<int, values> wanted{};
  std::array<fake_task, 3> tasks;
};

// The arms of a party's select.
struct receiving {
  std::size_t channel;

  [[nodiscard]] auto arm(scene& s) const { return csp::on_recv(s.in(channel)); }
  static void settle(scene& s, const result<token>& outcome) {
    if (outcome) return s.received(*outcome);
    check(outcome.error() == errc::closed, "a receive failed for no reason");
  }
  static void leave(scene&) {}
};

struct sending {
  sending(scene& s, std::size_t c, std::size_t n) : channel(c), number(n), value(s.make(n)) {}
  std::size_t channel;
  std::size_t number;
  token value;

  [[nodiscard]] auto arm(scene& s) { return csp::on_send(s.out(channel), std::move(value)); }
  void settle(scene& s, const result<void>& outcome) const {
    check(outcome || outcome.error() == errc::closed, "a send failed for no reason");
    s.sent(number, value, outcome.has_value());
  }
  void leave(scene& s) const { s.sent(number, value, false); }
};

// An arm that does not look at the winning channel before it ends: a mistake.
template <class Arm>
struct hasty final : csp::detail::select_arm {
  explicit hasty(Arm& a) noexcept : arm(a) {}
  using outcome = typename Arm::outcome;
  [[nodiscard]] bool may_be_ready() const noexcept override { return arm.may_be_ready(); }
  [[nodiscard]] bool attempt() noexcept override { return arm.attempt(); }
  [[nodiscard]] csp::detail::commit enlist(csp::detail::selection& own, std::uint32_t i,
                                           csp::detail::task_record& task) override {
    select = &own;
    index = static_cast<int>(i);
    return arm.enlist(own, i, task);
  }
  void delist(bool settled) noexcept override { arm.delist(settled || select->decided() == index); }
  [[nodiscard]] outcome take() { return arm.take(); }

  Arm& arm;
  csp::detail::selection* select = nullptr;
  int index = -1;
};

// select() of the two, by task `me`.
template <class First, class Second>
void choose(scene& s, std::size_t me, First first, Second second) {
  spoilt_after a([&] { return first.arm(s); });
  spoilt_after b([&] { return second.arm(s); });
  spoilt_after operation([&] { return csp::select_biased(std::move(a.get()), std::move(b.get())); });
  const auto chosen = s.tasks[me].await(operation.get());
  if (!chosen) {
    check(s.tasks[me].over.load(std::memory_order_relaxed), "a select failed for no reason");
    first.leave(s);
    second.leave(s);
  } else if (chosen->index() == 0) {
    first.settle(s, std::get<0>(*chosen));
    second.leave(s);
  } else {
    first.leave(s);
    second.settle(s, std::get<1>(*chosen));
  }
}

void send(scene& s, std::size_t me, std::size_t channel, std::size_t number) {
  sending one(s, channel, number);
  spoilt_after operation([&] { return s.out(channel).send(std::move(one.value)); });
  const auto ended = s.tasks[me].await(operation.get());
  check(ended || ended.error() == errc::closed || s.tasks[me].over.load(std::memory_order_relaxed), "a send failed");
  s.sent(number, one.value, ended.has_value());
}

void recv(scene& s, std::size_t me, std::size_t channel) {
  spoilt_after operation([&] { return s.in(channel).recv(); });
  const auto value = s.tasks[me].await(operation.get());
  if (value) return s.received(*value);
  check(value.error() == errc::closed || s.tasks[me].over.load(std::memory_order_relaxed), "a receive failed");
}

using shared = std::shared_ptr<scene>;

shared begin(world& w, std::size_t capacity) {
  auto s = std::make_shared<scene>(capacity);
  w.finally([s] { s->check_conserved(); });
  return s;
}

// Two selects that can pair through either channel.
void add_facing(world& w, const shared& s, bool opposite_order) {
  w.thread("sends 0 or receives 1", [=] { choose(*s, 0, sending(*s, 0, 0), receiving{1}); });
  if (opposite_order)
    w.thread("sends 1 or receives 0", [=] { choose(*s, 1, sending(*s, 1, 1), receiving{0}); });
  else
    w.thread("receives 0 or sends 1", [=] { choose(*s, 1, receiving{0}, sending(*s, 1, 1)); });
}

void facing(world& w, std::size_t capacity, bool opposite_order) {
  add_facing(w, begin(w, capacity), opposite_order);
}

void facing_and_close(world& w, bool opposite_order) {
  const shared s = begin(w, 0);
  add_facing(w, s, opposite_order);
  w.thread("closes 0", [=] { (void)s->out(0).close(); });
}

void facing_and_cancel(world& w, bool opposite_order) {
  const shared s = begin(w, 0);
  add_facing(w, s, opposite_order);
  w.thread("cancels", [=] {
    s->tasks[0].cancel();
    s->close_both();  // else the other might wait for ever
  });
}

void both_ends_of_one(world& w, bool with_a_select) {
  const shared s = begin(w, 0);
  w.thread("sends or receives 0", [=] { choose(*s, 0, sending(*s, 0, 0), receiving{0}); });
  if (with_a_select)
    w.thread("receives or sends 0", [=] { choose(*s, 1, receiving{0}, sending(*s, 0, 1)); });
  else
    w.thread("receives 0", [=] { recv(*s, 1, 0); });
}

void one_channel_twice(world& w) {
  const shared s = begin(w, 0);
  w.thread("receives 0 twice", [=] { choose(*s, 0, receiving{0}, receiving{0}); });
  w.thread("sends 0", [=] { send(*s, 1, 0, 0); });
}

void select_and_plain(world& w, std::size_t capacity) {
  const shared s = begin(w, capacity);
  w.thread("sends 0 or receives 1", [=] {
    choose(*s, 0, sending(*s, 0, 0), receiving{1});
    s->close_both();  // one of the others may be left
  });
  w.thread("receives 0", [=] { recv(*s, 1, 0); });
  w.thread("sends 1", [=] { send(*s, 2, 1, 1); });
}

void two_selects_and_a_receiver(world& w) {
  const shared s = begin(w, 0);
  w.thread("sends 0 or 1", [=] { choose(*s, 0, sending(*s, 0, 0), sending(*s, 1, 1)); });
  w.thread("sends 1 or 0", [=] { choose(*s, 1, sending(*s, 1, 2), sending(*s, 0, 3)); });
  w.thread("receives 0", [=] {
    recv(*s, 2, 0);
    s->close_both();
  });
}

// The second pairs with one of the others; a close lets the third end.
void three_selects(world& w) {
  const shared s = begin(w, 0);
  w.thread("sends 0 or receives 1", [=] {
    choose(*s, 0, sending(*s, 0, 0), receiving{1});
    s->close_both();
  });
  w.thread("receives 0 or sends 1", [=] { choose(*s, 1, receiving{0}, sending(*s, 1, 1)); });
  w.thread("receives 1 or sends 0", [=] {
    choose(*s, 2, receiving{1}, sending(*s, 0, 2));
    s->close_both();
  });
}

void plain(world& w, std::size_t capacity, bool close, bool cancel) {
  const shared s = begin(w, capacity);
  w.thread("sends", [=] { send(*s, 0, 0, 0); });
  w.thread("receives", [=] { recv(*s, 1, 0); });
  if (close) w.thread("closes", [=] { (void)s->out(0).close(); });
  if (cancel)
    w.thread("cancels", [=] {
      s->tasks[1].cancel();
      s->close_both();
    });
}

void last_handle(world& w) {
  const shared s = begin(w, 0);
  w.thread("receives", [=] { recv(*s, 0, 0); });
  w.thread("drops the sender", [=] { s->channels[0].first = {}; });
}

template <class First, class Second>
void choose_hastily(scene& s, std::size_t me, First first, Second second) {
  spoilt_after a([&] { return first.arm(s); });
  spoilt_after b([&] { return second.arm(s); });
  hasty hasty_a(a.get());
  hasty hasty_b(b.get());
  spoilt_after operation([&] { return csp::select_biased(std::move(hasty_a), std::move(hasty_b)); });
  const auto chosen = s.tasks[me].await(operation.get());
  check(chosen.has_value(), "a select failed for no reason");
  if (chosen->index() == 0) {
    first.settle(s, std::get<0>(*chosen));
    second.leave(s);
  } else {
    first.leave(s);
    second.settle(s, std::get<1>(*chosen));
  }
}

void a_hasty_one(world& w) {
  const shared s = begin(w, 0);
  w.thread("receives 0 or 1", [=] { choose_hastily(*s, 0, receiving{0}, receiving{1}); });
  w.thread("sends 0", [=] { send(*s, 1, 0, 0); });
}

// Every order, where that ends in seconds; but of orders that differ in plain memory only, like a node's outcome, just
// one. So each of those stands beside its like with a bound, which leaves none out. Two selects that claim each other
// through both channels at once wait for each other in too many ways: they have a bound only.
constexpr options every{.preemptions = -1, .old_values = 0};
constexpr options few(int preemptions) { return {.preemptions = preemptions, .old_values = 0}; }

const std::vector<model> models{
    {every, [](world& w) { facing(w, 0, false); }},
    {few(3), [](world& w) { facing(w, 0, true); }},
    {every, [](world& w) { facing(w, 1, false); }},
    {every, [](world& w) { facing_and_close(w, false); }},
    {few(2), [](world& w) { facing_and_close(w, true); }},
    {few(2), [](world& w) { facing_and_cancel(w, false); }},
    {few(2), [](world& w) { facing_and_cancel(w, true); }},
    {every, [](world& w) { both_ends_of_one(w, false); }},
    {every, [](world& w) { both_ends_of_one(w, true); }},
    {every, one_channel_twice},
    {every, [](world& w) { select_and_plain(w, 0); }},
    {every, [](world& w) { select_and_plain(w, 1); }},
    {few(2), two_selects_and_a_receiver},
    {few(2), three_selects},
    {every, [](world& w) { plain(w, 0, false, false); }},
    {every, [](world& w) { plain(w, 1, false, false); }},
    {every, [](world& w) { plain(w, 0, true, false); }},
    {every, [](world& w) { plain(w, 1, true, true); }},
    {every, last_handle},
};

void holds(std::size_t i) {
  expect_holds(models[i].how, models[i].what);
  if (models[i].how.preemptions < 0) expect_holds(few(2), models[i].what);
}

TEST(SelectModel, TwoThatFaceEachOtherPairOnce) { holds(0); }
TEST(SelectModel, TwoThatFaceEachOtherInOppositeOrderPairOnce) { holds(1); }
TEST(SelectModel, TwoWithRoomInBetweenLoseNothing) { holds(2); }
TEST(SelectModel, TwoAndACloseEnd) { holds(3); }
TEST(SelectModel, TwoInOppositeOrderAndACloseEnd) { holds(4); }
TEST(SelectModel, TwoAndACancelEnd) { holds(5); }
TEST(SelectModel, TwoInOppositeOrderAndACancelEnd) { holds(6); }
TEST(SelectModel, BothEndsOfAChannelMeetAnother) { holds(7); }
TEST(SelectModel, BothEndsOfAChannelMeetBothEnds) { holds(8); }
TEST(SelectModel, AChannelInTwoArmsGivesOneValue) { holds(9); }
TEST(SelectModel, PlainOperationsMeetASelect) { holds(10); }
TEST(SelectModel, PlainOperationsMeetASelectThroughABuffer) { holds(11); }
TEST(SelectModel, TwoSelectsAndAReceiverEnd) { holds(12); }
TEST(SelectModel, ThreeSelectsEnd) { holds(13); }
TEST(ChannelModel, ASendMeetsAReceive) { holds(14); }
TEST(ChannelModel, ASendMeetsAReceiveThroughABuffer) { holds(15); }
TEST(ChannelModel, ACloseEndsBothOrNeither) { holds(16); }
TEST(ChannelModel, ACloseAndACancelEndBothOrNeither) { holds(17); }
TEST(ChannelModel, TheLastHandleEndsAReceive) { holds(18); }

TEST(SelectMutants, ASelectThatDoesNotWaitForItsWinnerIsNoticed) {
  EXPECT_NE(explore(few(2), a_hasty_one).failure, "");
}

TEST(SelectMutants, DecisionsInTwoStepsAreNoticed) {
  const std::vector<model> some{models[0], models[1], models[3], models[10], models[17]};
  for (const char* const file : {"selection.hpp", "selection.cpp"})
    EXPECT_EQ(unnoticed(mutation::kind::tear, step::exchange, file, some), std::vector<std::string>());
}

}  // namespace
}  // namespace tandem::model
