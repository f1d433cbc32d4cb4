// Urgent tells, asks without a limit, and asks that another actor answers.
#include <gtest/gtest.h>

#include <deque>
#include <stdexcept>
#include <string>

#include <tandem/runtime/with_context.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

TEST(ActorPriority, AnUrgentTellIsHandledBeforeWhatIsInTheMailbox) {
  testing::sim_runtime sim;
  recorder::state state;
  system sys(sim);
  const auto ref = sys.spawn<recorder>(state);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  ASSERT_TRUE(ref.try_tell(note{2}).has_value());
  ASSERT_TRUE(ref.try_tell(note{3}, priority::urgent).has_value());
  auto told = sim.spawn([&]() -> task<result<void>> { co_return co_await ref.tell(note{4}, priority::urgent); });
  sim.run_until_idle();
  ASSERT_TRUE(state.holding);
  state.open = true;
  sim.run_to_end();
  EXPECT_TRUE(sim.get(told).has_value());
  EXPECT_EQ(state.seen, (std::vector<int>{3, 4, 1, 2}));
}

TEST(ActorPriority, AnUrgentTellWaitsForRoomLikeAnyOther) {
  testing::sim_runtime sim;
  recorder::state state;
  system sys(sim);
  const auto ref = sys.spawn<recorder>(spawn_actor_options("r", 1), state);
  ASSERT_TRUE(ref.try_tell(hold{}).has_value());
  sim.run_until_idle();
  ASSERT_TRUE(ref.try_tell(note{1}).has_value());
  EXPECT_EQ(ref.try_tell(note{2}, priority::urgent).error().code(), errc::would_block);
  auto told = sim.spawn([&]() -> task<result<void>> { co_return co_await ref.tell(note{2}, priority::urgent); });
  sim.run_until_idle();
  EXPECT_FALSE(told.done());
  state.open = true;
  sim.run_to_end();
  EXPECT_TRUE(sim.get(told).has_value());
  EXPECT_EQ(state.seen, (std::vector<int>{1, 2}));
}

struct question {
  int n;
};
struct release {};

// Keeps its asks until it is told to answer them with n * 10.
class back {
 public:
  using protocol = actors::protocol<int(question), void(release)>;
  void on(question q, reply_to<int> to) { open_.emplace_back(q.n, std::move(to)); }
  void on(release) {
    for (auto& [n, to] : open_) to.answer(n * 10);
    open_.clear();
  }

 private:
  std::deque<std::pair<int, reply_to<int>>> open_;
};

struct front_state {
  std::deque<result<void>> sent;
  bool twice = false;
};

// Forwards what it is asked.
class front {
 public:
  using protocol = actors::protocol<int(question), void(release)>;
  front(actor_context& c, front_state& s, back::protocol::ref to) : context_(c), state_(s), back_(std::move(to)) {}
  task<> on(question q, reply_to<int> to) {
    state_.sent.push_back(co_await back_.forward(question{q.n + 1}, std::move(to)));
    if (state_.twice) state_.sent.push_back(co_await back_.forward(q, std::move(to)));
  }
  void on(release) { context_.quit(); }

 private:
  actor_context& context_;
  front_state& state_;
  back::protocol::ref back_;
};

struct forwarding {
  testing::sim_runtime sim;
  system sys{sim};
  front_state state;
  back::protocol::ref last = sys.spawn<back>(spawn_actor_options("back", 2));
  front::protocol::ref first = sys.spawn<front>(state, last);
  task<result<int>> ask(int n) { co_return co_await first.ask(question{n}); }
  task<result<int>> ask_for(int n, duration limit) { co_return co_await first.ask(question{n}, limit); }
};

TEST(ActorAsk, WithoutALimitWaitsAsLongAsItTakes) {
  forwarding f;
  auto asked = f.sim.spawn(f.ask(1));
  f.sim.advance(std::chrono::hours(24 * 365));
  EXPECT_FALSE(asked.done());
  ASSERT_TRUE(f.last.try_tell(release{}).has_value());
  f.sim.run_until_idle();
  EXPECT_EQ(f.sim.get(asked).value(), 20);
}

TEST(ActorAsk, WithoutALimitEndsWithItsContext) {
  forwarding f;
  auto asked = f.sim.spawn(with_timeout(1h, f.ask(1)));
  f.sim.advance(1h - 1ns);
  EXPECT_FALSE(asked.done());
  f.sim.advance(1ns);
  ASSERT_TRUE(asked.done());
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::deadline_exceeded);
}

TEST(ActorForward, LetsAnotherActorAnswer) {
  forwarding f;
  auto asked = f.sim.spawn(f.ask(1));
  f.sim.run_until_idle();
  ASSERT_EQ(f.state.sent.size(), 1U);
  EXPECT_TRUE(f.state.sent[0].has_value());
  EXPECT_FALSE(asked.done());
  ASSERT_TRUE(f.last.try_tell(release{}).has_value());
  f.sim.run_until_idle();
  EXPECT_EQ(f.sim.get(asked).value(), 20);
}

// The middle actor forwards to one that is busy and whose mailbox is full.
struct full_back {
  struct gate {
    bool open = false;
    int answered = 0;
  };
  class busy {
   public:
    using protocol = actors::protocol<int(question), void(release)>;
    explicit busy(gate& g) : gate_(g) {}
    int on(question q) {
      ++gate_.answered;
      return q.n;
    }
    task<> on(release) {
      while (!gate_.open) {
        auto slept = co_await sleep_for(1ms);
        if (!slept) break;
      }
    }

   private:
    gate& gate_;
  };
  class middle {
   public:
    using protocol = actors::protocol<int(question)>;
    middle(front_state& s, actor_ref<int(question)> to, bool tries) : state_(s), back_(std::move(to)), tries_(tries) {}
    task<> on(question q, reply_to<int> to) {
      if (tries_) {
        state_.sent.push_back(back_.try_forward(q, std::move(to)));
        if (to) to.answer(-1);
      } else {
        state_.sent.push_back(co_await back_.forward(q, std::move(to)));
      }
    }

   private:
    front_state& state_;
    actor_ref<int(question)> back_;
    bool tries_;
  };

  testing::sim_runtime sim;
  system sys{sim};
  gate g;
  front_state state;
  busy::protocol::ref last = sys.spawn<busy>(spawn_actor_options("busy", 1), g);
  middle::protocol::ref waiting = sys.spawn<middle>(state, last, false);
  middle::protocol::ref trying = sys.spawn<middle>(state, last, true);
  static task<result<int>> ask(middle::protocol::ref whom, duration limit) {
    co_return co_await whom.ask(question{7}, limit);
  }
  full_back() {
    EXPECT_TRUE(last.try_tell(release{}).has_value());
    sim.run_until_idle();
    EXPECT_TRUE(last.try_tell(release{}).has_value());  // fills it
  }
};

TEST(ActorForward, WaitsWhileTheOthersMailboxIsFull) {
  full_back f;
  auto asked = f.sim.spawn(full_back::ask(f.waiting, 1h));
  f.sim.run_until_idle();
  EXPECT_TRUE(f.state.sent.empty());
  f.g.open = true;
  f.sim.run_to_end();
  ASSERT_EQ(f.state.sent.size(), 1U);
  EXPECT_TRUE(f.state.sent[0].has_value());
  EXPECT_EQ(f.sim.get(asked).value(), 7);
}

TEST(ActorForward, EndsWithTheAskersLimitAndIsNotHandledThen) {
  full_back f;
  auto asked = f.sim.spawn(full_back::ask(f.waiting, 10ms));
  f.sim.advance(10ms - 1ns);
  EXPECT_FALSE(asked.done());
  f.sim.advance(1ns);
  ASSERT_TRUE(asked.done());
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::timed_out);
  ASSERT_EQ(f.state.sent.size(), 1U);
  EXPECT_EQ(f.state.sent[0].error().code(), errc::deadline_exceeded);
  f.g.open = true;
  f.sim.run_to_end();
  EXPECT_EQ(f.g.answered, 0);
}

TEST(ActorForward, TheAskerIsToldWhenTheWaitForRoomIsCancelled) {
  full_back f;
  auto asked = f.sim.spawn(full_back::ask(f.waiting, 1h));
  f.sim.run_until_idle();
  ASSERT_FALSE(asked.done());
  EXPECT_TRUE(f.sys.shutdown(1s).has_value());
  ASSERT_TRUE(asked.done());
  EXPECT_FALSE(f.sim.get(asked).has_value());
  ASSERT_EQ(f.state.sent.size(), 1U);
  EXPECT_FALSE(f.state.sent[0].has_value());
}

TEST(ActorForward, ToAnActorThatHasEndedGivesTheAskerTheError) {
  forwarding f;
  class quitter {
   public:
    using protocol = actors::protocol<int(question), void(release)>;
    explicit quitter(actor_context& c) : context_(c) {}
    int on(question) { return 1; }
    void on(release) { context_.quit(make_error(errc::data_loss, "worn out")); }

   private:
    actor_context& context_;
  };
  const auto dead = f.sys.spawn<quitter>();
  const auto middle = f.sys.spawn<front>(f.state, dead);
  ASSERT_TRUE(dead.try_tell(release{}).has_value());
  f.sim.run_until_idle();
  const auto got = f.sim.run([&]() -> task<result<int>> { co_return co_await middle.ask(question{1}); });
  ASSERT_EQ(f.state.sent.size(), 1U);
  EXPECT_EQ(f.state.sent[0].error().code(), errc::unavailable);
  EXPECT_EQ(got.error().code(), errc::unavailable);
  EXPECT_TRUE(is(got.error(), errc::data_loss));
}

TEST(ActorForward, ToAnEmptyRefGivesTheAskerTheError) {
  forwarding f;
  const auto middle = f.sys.spawn<front>(f.state, back::protocol::ref());
  const auto got = f.sim.run([&]() -> task<result<int>> { co_return co_await middle.ask(question{1}); });
  EXPECT_EQ(got.error().code(), errc::failed_precondition);
}

TEST(ActorForward, OfAnAskThatIsGoneEndsTheActor) {
  forwarding f;
  f.state.twice = true;
  auto asked = f.sim.spawn(f.ask(1));
  f.sim.run_until_idle();
  EXPECT_EQ(f.state.sent.size(), 1U);
  EXPECT_NE(f.first.try_tell(release{}).error().message().find("forward() needs an ask"), std::string::npos);
  ASSERT_TRUE(f.last.try_tell(release{}).has_value());
  f.sim.run_until_idle();
  EXPECT_EQ(f.sim.get(asked).value(), 20);  // it had been forwarded before
}

TEST(ActorForward, TryForwardGivesTheAskBackWhenThereIsNoRoom) {
  full_back f;
  auto asked = f.sim.spawn(full_back::ask(f.trying, 1h));
  f.sim.run_until_idle();
  ASSERT_EQ(f.state.sent.size(), 1U);
  EXPECT_EQ(f.state.sent[0].error().code(), errc::would_block);
  ASSERT_TRUE(asked.done());
  EXPECT_EQ(f.sim.get(asked).value(), -1);
}

TEST(ActorForward, AnAskThatNobodyAnswersFailsWhereverItWent) {
  forwarding f;
  auto asked = f.sim.spawn(f.ask_for(1, 1h));
  f.sim.run_until_idle();
  ASSERT_FALSE(asked.done());
  EXPECT_TRUE(f.sys.shutdown(1s).has_value());  // with the ask in the hands of the actor that it was forwarded to
  ASSERT_TRUE(asked.done());
  EXPECT_EQ(f.sim.get(asked).error().code(), errc::unavailable);
}

// As generated code has them: a number as text.
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
    return text.copy(static_cast<char*>(out), static_cast<std::size_t>(size)) == text.size();
  }
  bool ParseFromArray(const void* in, int size) {
    n = std::stoi(std::string(static_cast<const char*>(in), static_cast<std::size_t>(size)));
    return true;
  }
  int n = 0;
};
using wire_question = number<0>;
using wire_answer = number<1>;

// What a link to another node is to its senders: it keeps what was sent.
class far_away final : public detail::target {
 public:
  explicit far_away(std::deque<detail::envelope_ptr>& sent) : sent_(sent) {}
  std::uint64_t id() const noexcept override { return 1; }
  std::string target_name() const override { return "far away"; }
  const protocol_info& protocol() const noexcept override {
    return actors::protocol<wire_answer(wire_question)>::info();
  }
  bool is_remote() const noexcept override { return true; }
  delivery try_deliver(detail::envelope_ptr& message, error&) noexcept override {
    sent_.push_back(std::move(message));
    return delivery::delivered;
  }
  detail::room_waiter::phase wait_for_room(detail::room_waiter&) noexcept override {
    return detail::room_waiter::phase::failed;
  }
  bool cancel_wait(detail::room_waiter&) noexcept override { return false; }
  void report_dead_letter(const detail::envelope&, const error&) noexcept override {}

 private:
  std::deque<detail::envelope_ptr>& sent_;
};

TEST(ActorForward, ToAnotherNodeTheAnswerComesBackAsBytes) {
  using far_ref = actor_ref<wire_answer(wire_question)>;
  class gateway {
   public:
    using protocol = actors::protocol<wire_answer(wire_question)>;
    explicit gateway(far_ref to) : to_(std::move(to)) {}
    task<> on(wire_question q, reply_to<wire_answer> to) { (void)(co_await to_.forward(q, std::move(to))); }

   private:
    far_ref to_;
  };
  testing::sim_runtime sim;
  system sys(sim);
  std::deque<detail::envelope_ptr> sent;
  const auto ref = sys.spawn<gateway>(far_ref(detail::target_ptr(new far_away(sent))));
  auto ask = [&]() -> task<result<wire_answer>> {
    wire_question q;
    q.n = 4;
    co_return co_await ref.ask(q, 1h);
  };
  auto asked = sim.spawn(ask());
  auto unanswered = sim.spawn(ask());
  sim.run_until_idle();
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0]->deadline(), sim.now() + 1h);  // the asker's limit goes along
  const std::string bytes = "44";
  EXPECT_TRUE(sent[0]->complete_from_bytes(std::as_bytes(std::span(bytes))).has_value());
  sent.clear();  // the link is gone
  sim.run_until_idle();
  EXPECT_EQ(sim.get(asked).value().n, 44);
  EXPECT_EQ(sim.get(unanswered).error().code(), errc::unavailable);
}

}  // namespace
}  // namespace tandem::actors
