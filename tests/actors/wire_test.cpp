// What the cluster's links use: messages as bytes, in both directions.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

// A wire message as generated code has them: a number as text, so that not all bytes parse.
template <int Tag>
struct number {
  struct descriptor_type {
    std::string full_name() const { return Tag == 0 ? "test.Question" : "test.Answer"; }
  };
  static const descriptor_type* descriptor() {
    static const descriptor_type d;
    return &d;
  }
  std::size_t ByteSizeLong() const { return std::to_string(n).size(); }
  bool SerializeToArray(void* out, int size) const {
    const std::string text = std::to_string(n);
    if (static_cast<int>(text.size()) > size) return false;
    std::memcpy(out, text.data(), text.size());
    return true;
  }
  bool ParseFromArray(const void* in, int size) {
    const std::string text(static_cast<const char*>(in), static_cast<std::size_t>(size));
    if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) return false;
    n = std::stoi(text);
    return true;
  }
  int n = 0;
};
using question = number<0>;
using answer = number<1>;
static_assert(wire_message<question>);

struct log {
  std::vector<int> told;
};

class oracle {
 public:
  using protocol = actors::protocol<answer(question), void(answer)>;
  explicit oracle(log& l) : log_(l) {}
  answer on(question q) { return answer{q.n + 1}; }
  void on(answer a) { log_.told.push_back(a.n); }

 private:
  log& log_;
};

struct outcome {
  std::string bytes;
  error failure;
  int answers = 0;
};

class test_sink final : public detail::reply_sink {
 public:
  explicit test_sink(outcome& o) : outcome_(o) {}
  void reply(std::size_t size, detail::fill_ref fill) noexcept override {
    ++outcome_.answers;
    outcome_.bytes.resize(size);
    EXPECT_TRUE(fill(std::as_writable_bytes(std::span(outcome_.bytes))));
  }
  void fail(error why) noexcept override {
    ++outcome_.answers;
    outcome_.failure = std::move(why);
  }

 private:
  outcome& outcome_;
};

struct credit final : detail::consumption_listener {
  std::size_t bytes = 0;
  int messages = 0;
  void consumed(std::size_t n) noexcept override {
    bytes += n;
    ++messages;
  }
};

struct fixture {
  testing::sim_runtime sim;
  log seen;
  system sys{sim};
  oracle::protocol::ref ref = sys.spawn<oracle>(seen);
  std::shared_ptr<credit> link = std::make_shared<credit>();

  detail::local_target_ptr target() { return detail::system_access::find(sys, ref.id()); }
  detail::incoming message(const char* type, const char* text, outcome* to = nullptr) {
    detail::incoming m;
    m.type_hash = detail::fnv1a<std::uint32_t>(type);
    auto owner = std::make_shared<std::string>(text);
    m.bytes = std::as_bytes(std::span(*owner));
    m.owner = owner;
    if (to) m.sink = std::make_unique<test_sink>(*to);
    m.link = link;
    return m;
  }
};

TEST(ActorWire, FindsALiveActorByItsId) {
  fixture f;
  ASSERT_TRUE(f.target());
  EXPECT_EQ(f.target()->id(), f.ref.id());
  EXPECT_FALSE(detail::system_access::find(f.sys, f.ref.id() + 1000));
  EXPECT_TRUE(f.target()->accepts(detail::fnv1a<std::uint32_t>("test.Question")));
  EXPECT_FALSE(f.target()->accepts(detail::fnv1a<std::uint32_t>("test.Other")));
  EXPECT_EQ(f.target()->protocol().text, "test.Question->test.Answer, test.Answer");
}

TEST(ActorWire, AnAskAsBytesIsAnsweredInBytes) {
  fixture f;
  outcome o;
  f.target()->deliver_bytes(f.message("test.Question", "41", &o));
  EXPECT_EQ(o.answers, 0);
  f.sim.run_until_idle();
  EXPECT_EQ(o.answers, 1);
  EXPECT_EQ(o.bytes, "42");
  EXPECT_EQ(f.link->messages, 1);
  EXPECT_EQ(f.link->bytes, 2u);
}

TEST(ActorWire, ATellAsBytesIsHandledAndMayBeAcknowledged) {
  fixture f;
  outcome o;
  f.target()->deliver_bytes(f.message("test.Answer", "7"));
  f.target()->deliver_bytes(f.message("test.Answer", "8", &o));
  f.sim.run_until_idle();
  EXPECT_EQ(f.seen.told, (std::vector<int>{7, 8}));
  EXPECT_EQ(o.answers, 1);
  EXPECT_TRUE(o.bytes.empty());
  EXPECT_FALSE(o.failure);
}

TEST(ActorWire, BytesThatDoNotParseFailTheAskAndNothingElse) {
  fixture f;
  outcome o;
  f.target()->deliver_bytes(f.message("test.Question", "x", &o));
  f.sim.run_until_idle();
  EXPECT_EQ(o.answers, 1);
  EXPECT_EQ(o.failure.code(), errc::invalid_argument);
  EXPECT_EQ(f.sys.live_actors(), 1u);
  EXPECT_EQ(f.link->messages, 1);
}

TEST(ActorWire, ATypeOutsideOfTheProtocolIsRefused) {
  fixture f;
  outcome o;
  f.target()->deliver_bytes(f.message("test.Other", "1", &o));
  f.sim.run_until_idle();
  EXPECT_EQ(o.failure.code(), errc::invalid_argument);
  EXPECT_NE(o.failure.message().find("test.Question->test.Answer"), std::string::npos);
}

TEST(ActorWire, ABrokenOrForeignTellIsADeadLetter) {
  fixture f;
  f.target()->deliver_bytes(f.message("test.Other", "1"));
  f.target()->deliver_bytes(f.message("test.Answer", "x"));
  f.sim.run_until_idle();
  EXPECT_EQ(f.sys.dead_letters(), 2u);
  EXPECT_TRUE(f.seen.told.empty());
}

TEST(ActorWire, AMessageThatCameTooLateIsNotHandled) {
  fixture f;
  outcome o;
  f.sim.spawn([&]() -> task<> {  // in simulated time, of which the deadline is
    auto m = f.message("test.Question", "41", &o);
    m.remaining = duration::zero();
    f.target()->deliver_bytes(std::move(m));
    co_return;
  }).detach();
  f.sim.run_until_idle();
  EXPECT_EQ(o.failure.code(), errc::deadline_exceeded);
}

TEST(ActorWire, AnEndedActorFailsWhatComesAndReturnsTheCredit) {
  fixture f;
  const auto target = f.target();
  ASSERT_TRUE(f.sys.shutdown(1s).has_value());
  EXPECT_FALSE(f.target());
  outcome o;
  target->deliver_bytes(f.message("test.Question", "41", &o));
  EXPECT_EQ(o.failure.code(), errc::unavailable);
  EXPECT_EQ(f.link->messages, 1);
}

// A link's end: keeps what it is given, room for one.
class link_target final : public detail::target {
 public:
  std::uint64_t id() const noexcept override { return 7; }
  std::string target_name() const override { return "remote"; }
  const protocol_info& protocol() const noexcept override { return oracle::protocol::info(); }
  delivery try_deliver(detail::envelope_ptr& m, error&) noexcept override {
    if (held) return delivery::full;
    held = std::move(m);
    return delivery::delivered;
  }
  detail::room_waiter::phase wait_for_room(detail::room_waiter& w) noexcept override {
    return waiters.push(w) ? detail::room_waiter::phase::waiting : detail::room_waiter::phase::cancelled;
  }
  bool cancel_wait(detail::room_waiter& w) noexcept override { return waiters.cancel(w); }
  void report_dead_letter(const detail::envelope&, const error&) noexcept override {}

  void grant() {
    detail::wake_list woken;
    held.reset();
    if (auto* w = waiters.pop(detail::room_waiter::phase::admitted)) {
      held = std::move(w->message);
      woken.add(*w);
    }
    woken.wake_all();
  }
  detail::envelope_ptr held;
  detail::room_queue waiters;
};

TEST(ActorWire, ALinkEncodesAnAskAndCompletesItFromBytes) {
  fixture f;
  auto* const link = new link_target;
  const oracle::protocol::ref remote{detail::target_ptr(link)};
  auto asked = f.sim.spawn([&]() -> task<result<answer>> { co_return co_await remote.ask(question{5}, 1s); });
  f.sim.run_until_idle();
  ASSERT_TRUE(link->held);
  EXPECT_TRUE(link->held->is_ask());
  EXPECT_EQ(link->held->type_hash(), detail::fnv1a<std::uint32_t>("test.Question"));
  EXPECT_EQ(link->held->deadline(), f.sim.now() + 1s);
  std::string bytes(link->held->encoded_size(), '\0');
  ASSERT_TRUE(link->held->encode(std::as_writable_bytes(std::span(bytes))));
  EXPECT_EQ(bytes, "5");
  ASSERT_TRUE(link->held->complete_from_bytes(std::as_bytes(std::span(std::string_view("6")))).has_value());
  f.sim.run_until_idle();
  EXPECT_EQ(f.sim.get(asked)->n, 6);
}

TEST(ActorWire, ALinkWithoutCreditHoldsUpTellsInOrder) {
  fixture f;
  auto* const link = new link_target;
  const oracle::protocol::ref remote{detail::target_ptr(link)};
  const auto tell = [&](int n) -> task<result<void>> { co_return co_await remote.tell(answer{n}); };
  EXPECT_TRUE(f.sim.run(tell(1)).has_value());
  auto second = f.sim.spawn(tell(2));
  f.sim.run_until_idle();
  EXPECT_FALSE(second.done());
  EXPECT_EQ(remote.try_tell(answer{3}).error().code(), errc::would_block);
  link->grant();
  f.sim.run_until_idle();
  ASSERT_TRUE(second.done());
  EXPECT_TRUE(f.sim.get(second).has_value());
  EXPECT_EQ(static_cast<detail::told<answer>&>(*link->held).value.n, 2);
}

TEST(ActorWire, AnAskALinkDropsIsUnavailable) {
  fixture f;
  auto* const link = new link_target;
  const oracle::protocol::ref remote{detail::target_ptr(link)};
  auto asked = f.sim.spawn([&]() -> task<result<answer>> { co_return co_await remote.ask(question{5}, 1s); });
  f.sim.run_until_idle();
  link->held.reset();
  f.sim.run_until_idle();
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::unavailable);
}

}  // namespace
}  // namespace tandem::actors
