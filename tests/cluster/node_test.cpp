// Nodes in one process, over real sockets on the loopback interface.
#include <tandem/cluster/node.hpp>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <node_test.pb.h>

#include <tandem/actors/on_reply.hpp>
#include <tandem/csp/select.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/task_dump.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::cluster {
namespace {

using namespace std::chrono_literals;
using namespace tandem::test::v1;

constexpr duration patience = 20s;  // how long a test waits for what must come

class adder {
 public:
  using protocol = actors::protocol<void(Note), Sum(GetSum), Stalled(Stall), Failed(Fail)>;

  void on(Note note) {
    ordered_ = ordered_ && note.number() == count_;
    ++count_;
    sum_ += note.number();
  }
  Sum on(GetSum) {
    Sum sum;
    sum.set_count(count_);
    sum.set_sum(sum_);
    sum.set_ordered(ordered_);
    return sum;
  }
  task<result<Stalled>> on(Stall) {
    TANDEM_CO_TRY(co_await sleep_for(1h));
    co_return Stalled();
  }
  result<Failed> on(Fail wanted) { return fail(errc::aborted, wanted.text()); }

 private:
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  bool ordered_ = true;
};

// One process of the cluster: a runtime, an actor system, a node.
class process {
 public:
  explicit process(std::string name, std::vector<member> members, std::uint64_t window = 0)
      : actors_(runtime_, options()) {
    node_options o;
    o.name = std::move(name);
    o.listen_address = "127.0.0.1:0";
    o.members = std::move(members);
    o.insecure_plaintext = true;
    o.timing.down_after = std::chrono::milliseconds(300);
    if (window != 0) o.limits.receive_window_bytes = window;
    auto started = node::start(actors_, std::move(o), [this](const node_event& e) { note(e); });
    if (!started) throw std::runtime_error(to_string(started.error()));
    node_ = std::move(*started);
  }

  node& member_node() { return *node_; }
  actors::system& actors() { return actors_; }
  runtime& rt() { return runtime_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(node_->port()); }
  void leave() { node_->stop(5s); }

  bool wait_for_event(node_event::kind kind, const std::string& name) {
    std::unique_lock hold(lock_);
    return changed_.wait_for(hold, patience, [&] {
      for (const auto& e : events_)
        if (e.what == kind && e.node == name) return true;
      return false;
    });
  }
  bool wait_for_dead_letters(std::size_t n) {
    std::unique_lock hold(lock_);
    return changed_.wait_for(hold, patience, [&] { return dead_.size() >= n; });
  }
  bool wait_for_dead(const std::string& message_type) {
    std::unique_lock hold(lock_);
    return changed_.wait_for(hold, patience,
                             [&] { return std::find(dead_.begin(), dead_.end(), message_type) != dead_.end(); });
  }

 private:
  actors::system_options options() {
    actors::system_options o;
    o.on_dead_letter = [this](const actors::dead_letter& letter) {
      const std::lock_guard hold(lock_);
      dead_.push_back(letter.message_type);
      changed_.notify_all();
    };
    return o;
  }
  void note(const node_event& e) {
    const std::lock_guard hold(lock_);
    events_.push_back(e);
    changed_.notify_all();
  }

  std::mutex lock_;
  std::condition_variable changed_;
  std::vector<node_event> events_;  // guarded by lock_
  std::vector<std::string> dead_;   // the types of the dead letters; guarded by lock_
  runtime runtime_{{.workers = 2}};
  actors::system actors_;
  std::unique_ptr<node> node_;
};

// "a" dials "b".
struct pair_of_nodes {
  explicit pair_of_nodes(std::uint64_t window = 0) {
    b.emplace("b", std::vector<member>{{"a", "127.0.0.1:1"}}, window);
    a.emplace("a", std::vector<member>{{"b", b->address()}}, window);
  }
  result<adder::protocol::ref> remote_adder() {
    auto local = b->actors().spawn<adder>();
    if (auto named = b->actors().register_name("adder", local); !named) return fail(named.error());
    return a->rt().block_on(find());
  }
  task<result<adder::protocol::ref>> find() {
    TANDEM_CO_TRY(co_await a->member_node().wait_for("b", patience));
    co_return co_await a->member_node().lookup<adder::protocol::ref>("b", "adder", patience);
  }
  std::optional<process> b, a;
};

Note note_of(std::uint64_t number, std::size_t bytes = 0) {
  Note n;
  n.set_number(number);
  n.set_payload(std::string(bytes, 'x'));
  return n;
}

task<result<Sum>> flood(adder::protocol::ref ref, std::uint64_t n, std::size_t bytes) {
  for (std::uint64_t i = 0; i < n; ++i) TANDEM_CO_TRY(co_await ref.tell(note_of(i, bytes)));
  co_return co_await ref.ask(GetSum(), patience);
}

TEST(Node, TellsArriveInOrderAndAsksAreAnswered) {
  pair_of_nodes nodes;
  const auto ref = nodes.remote_adder();
  ASSERT_TRUE(ref) << ref.error();
  const auto sum = nodes.a->rt().block_on(flood(*ref, 50'000, 64));
  ASSERT_TRUE(sum) << sum.error();
  EXPECT_EQ(sum->count(), 50'000U);
  EXPECT_EQ(sum->sum(), 50'000ULL * 49'999 / 2);
  EXPECT_TRUE(sum->ordered());
  EXPECT_GE(nodes.a->member_node().counters().messages_sent, 50'001U);
}

TEST(Node, AFullWindowHoldsSendersUpAndLosesNothing) {
  pair_of_nodes nodes(64 << 10);  // the smallest window: a few dozen messages
  const auto ref = nodes.remote_adder();
  ASSERT_TRUE(ref) << ref.error();
  auto senders = [](adder::protocol::ref to) -> task<result<Sum>> {
    std::vector<join_handle<result<void>>> handles;
    for (int s = 0; s < 8; ++s) {
      handles.push_back(spawn([to]() -> task<result<void>> {
        for (int i = 0; i < 500; ++i) TANDEM_CO_TRY(co_await to.tell(note_of(1, 4000)));
        co_return result<void>();
      }));
    }
    for (auto& h : handles) TANDEM_CO_TRY(co_await h.join());
    co_return co_await to.ask(GetSum(), patience);
  };
  const auto sum = nodes.a->rt().block_on(senders(*ref));
  ASSERT_TRUE(sum) << sum.error();
  EXPECT_EQ(sum->count(), 4'000U);
}

bool dump_comes_to_show(runtime& rt, const std::string& expected) {
  const time_point end = now() + patience;
  while (rt.dump_tasks().find(expected) == std::string::npos) {
    if (now() >= end) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(Node, ReportsNameWhatSendersWaitFor) {
  pair_of_nodes nodes(64 << 10);
  const auto ref = nodes.remote_adder();
  ASSERT_TRUE(ref) << ref.error();
  runtime& rt = nodes.a->rt();
  auto stall = [](adder::protocol::ref to) -> task<> { (void)co_await to.ask(Stall(), 1h); };
  rt.spawn(stall(*ref), "asker").detach();
  EXPECT_TRUE(dump_comes_to_show(rt, "waiting for an answer from another node\n")) << rt.dump_tasks();
  auto flood = [](adder::protocol::ref to) -> task<> {
    for (;;)
      if (auto told = co_await to.tell(note_of(1, 1000)); !told) co_return;
  };
  rt.spawn(flood(*ref), "teller").detach();
  EXPECT_TRUE(dump_comes_to_show(rt, "waiting for credit to send to another node\n")) << rt.dump_tasks();
  rt.spawn(stall(*ref), "late asker").detach();
  EXPECT_TRUE(dump_comes_to_show(rt, "waiting for credit to send to another node and an answer\n")) << rt.dump_tasks();
  auto wait = [](node& here) -> task<> { (void)co_await here.wait_for("nobody", 1h); };
  process lonely("lonely", {{"nobody", "127.0.0.1:1"}});
  lonely.rt().spawn(wait(lonely.member_node()), "waiter").detach();
  EXPECT_TRUE(dump_comes_to_show(lonely.rt(), "waiting for a connection to another node\n"))
      << lonely.rt().dump_tasks();
  lonely.leave();
}

TEST(Node, AnErrorCrossesWithItsChain) {
  pair_of_nodes nodes;
  const auto ref = nodes.remote_adder();
  ASSERT_TRUE(ref) << ref.error();
  auto body = [](adder::protocol::ref to) -> task<result<Failed>> {
    Fail wanted;
    wanted.set_text("the moon is full");
    co_return co_await to.ask(std::move(wanted), patience);
  };
  const auto outcome = nodes.a->rt().block_on(body(*ref));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), errc::aborted);
  EXPECT_NE(outcome.error().message().find("the moon is full"), std::string::npos);
  EXPECT_EQ(outcome.error().first_layer().node(), "b");
}

TEST(Node, ALookupOfWhatIsNotThereSaysSo) {
  pair_of_nodes nodes;
  auto body = [](node& n) -> task<error> {
    const auto waited = co_await n.wait_for("b", patience);
    if (!waited) co_return waited.error();
    auto found = co_await n.lookup<adder::protocol::ref>("b", "nobody", patience);
    co_return found ? error() : found.error();
  };
  const error why = nodes.a->rt().block_on(body(nodes.a->member_node()));
  EXPECT_EQ(why.code(), errc::not_found);
  EXPECT_NE(why.message().find("nobody"), std::string::npos);
}

TEST(Node, ALookupWithAnotherProtocolNamesBoth) {
  pair_of_nodes nodes;
  ASSERT_TRUE(nodes.remote_adder());
  auto body = [](node& n) -> task<error> {
    auto found = co_await n.lookup<actors::actor_ref<Sum(Note)>>("b", "adder", patience);
    co_return found ? error() : found.error();
  };
  const error why = nodes.a->rt().block_on(body(nodes.a->member_node()));
  EXPECT_EQ(why.code(), errc::failed_precondition);
  EXPECT_NE(why.message().find("tandem.test.v1.Note->tandem.test.v1.Sum"), std::string::npos) << why.message();
}

TEST(Node, FindsItsOwnActorsLocally) {
  pair_of_nodes nodes;
  auto local = nodes.a->actors().spawn<adder>();
  ASSERT_TRUE(nodes.a->actors().register_name("mine", local));
  auto body = [](node& n) -> task<result<adder::protocol::ref>> {
    co_return co_await n.lookup<adder::protocol::ref>("a", "mine", patience);
  };
  const auto found = nodes.a->rt().block_on(body(nodes.a->member_node()));
  ASSERT_TRUE(found) << found.error();
  EXPECT_EQ(*found, local);
}

TEST(Node, AnAskIsGivenUpAtItsLimitOrItsContextsEnd) {
  pair_of_nodes nodes;
  const auto ref = nodes.remote_adder();
  ASSERT_TRUE(ref) << ref.error();
  auto limited = [](adder::protocol::ref to) -> task<result<Stalled>> { co_return co_await to.ask(Stall(), 50ms); };
  auto patient = [](adder::protocol::ref to) -> task<result<Stalled>> { co_return co_await to.ask(Stall(), 1h); };
  EXPECT_EQ(nodes.a->rt().block_on(limited(*ref)).error().code(), errc::timed_out);
  EXPECT_EQ(nodes.a->rt().block_on(with_timeout(50ms, patient(*ref))).error().code(), errc::deadline_exceeded);
}

TEST(Node, AnAskIsAnArmOfASelect) {
  pair_of_nodes nodes;
  const auto ref = nodes.remote_adder();
  ASSERT_TRUE(ref) << ref.error();
  auto body = [](adder::protocol::ref to) -> task<std::uint64_t> {
    // Its handler goes on until the limit, as that of a cancelled ask.
    auto given_up = co_await csp::select(actors::on_reply(to.ask(Stall(), 200ms)), csp::on_timeout(50ms));
    EXPECT_EQ(given_up->index(), 1U);
    auto late = co_await csp::select(actors::on_reply(to.ask(Stall(), 50ms)), csp::on_timeout(patience));
    EXPECT_EQ(std::get<0>(*late).error().code(), errc::timed_out);
    auto told = co_await to.tell(note_of(0));
    EXPECT_TRUE(told.has_value());
    auto answered = co_await csp::select(csp::on_timeout(patience), actors::on_reply(to.ask(GetSum(), patience)));
    co_return std::get<1>(*answered).value().count();
  };
  EXPECT_EQ(nodes.a->rt().block_on(body(*ref)), 1U);
}

TEST(Node, AsksFailAtOnceWhenThePeerLeaves) {
  pair_of_nodes nodes;
  const auto ref = nodes.remote_adder();
  ASSERT_TRUE(ref) << ref.error();
  auto asking = nodes.a->rt().spawn([to = *ref]() -> task<result<Stalled>> { co_return co_await to.ask(Stall(), 1h); });
  // The answer to a later ask on the same link is not needed: leaving flushes what was sent before.
  nodes.b->leave();
  auto join = [&]() -> task<result<Stalled>> { co_return co_await asking.join(); };
  EXPECT_EQ(nodes.a->rt().block_on(join()).error().code(), errc::unavailable);
  EXPECT_TRUE(nodes.a->wait_for_event(node_event::kind::down, "b"));
  auto again = [](adder::protocol::ref to) -> task<result<void>> { co_return co_await to.tell(note_of(1)); };
  EXPECT_EQ(nodes.a->rt().block_on(again(*ref)).error().code(), errc::unavailable);
}

// As a router does that broadcasts, and a pool.
TEST(Node, ATellThatWaitsWithoutASenderIsADeadLetterWhenTheNodeLeaves) {
  pair_of_nodes nodes(64 << 10);
  const auto ref = nodes.remote_adder();
  ASSERT_TRUE(ref) << ref.error();
  runtime& rt = nodes.a->rt();
  auto stall = [](adder::protocol::ref to) -> task<> { (void)co_await to.ask(Stall(), 1h); };
  rt.spawn(stall(*ref), "asker").detach();
  ASSERT_TRUE(dump_comes_to_show(rt, "waiting for an answer from another node\n")) << rt.dump_tasks();
  while (ref->try_tell(note_of(1, 1000)))  // until the window is full
    ;
  using actors::detail::room_waiter;
  room_waiter parked(actors::detail::envelope_ptr(new actors::detail::told<Note>(note_of(1, 1000))));
  ASSERT_EQ(ref->target()->wait_for_room(parked), room_waiter::phase::waiting);
  nodes.a->leave();
  // What was on its way is lost as bytes, which do not say their type.
  EXPECT_TRUE(nodes.a->wait_for_dead(actors::detail::type_of_message<Note>().name));
}

TEST(Node, ARefToARestartedNodeAsksToBeLookedUpAgain) {
  pair_of_nodes nodes;
  const auto ref = nodes.remote_adder();
  ASSERT_TRUE(ref) << ref.error();
  // The dialing side restarts; "b" keeps a ref to an actor of its first life.
  auto of_a = nodes.a->actors().spawn<adder>();
  ASSERT_TRUE(nodes.a->actors().register_name("adder of a", of_a));
  auto find = [](node& n) -> task<result<adder::protocol::ref>> {
    TANDEM_CO_TRY(co_await n.wait_for("a", patience));
    co_return co_await n.lookup<adder::protocol::ref>("a", "adder of a", patience);
  };
  const auto old = nodes.b->rt().block_on(find(nodes.b->member_node()));
  ASSERT_TRUE(old) << old.error();
  const std::string b_address = nodes.b->address();
  of_a = {};
  nodes.a.reset();
  ASSERT_TRUE(nodes.b->wait_for_event(node_event::kind::down, "a"));
  nodes.a.emplace("a", std::vector<member>{{"b", b_address}});
  auto use = [](node& n, adder::protocol::ref to) -> task<result<Sum>> {
    TANDEM_CO_TRY(co_await n.wait_for("a", patience));
    co_return co_await to.ask(GetSum(), patience);
  };
  const auto outcome = nodes.b->rt().block_on(use(nodes.b->member_node(), *old));
  EXPECT_EQ(outcome.error().code(), errc::not_found) << outcome.error();
}

TEST(Node, ATellToAnActorThatEndedBecomesADeadLetterThere) {
  pair_of_nodes nodes;
  const auto ref = nodes.remote_adder();
  ASSERT_TRUE(ref) << ref.error();
  ASSERT_TRUE(nodes.b->actors().unregister_name("adder"));  // the last ref of its own process
  auto tell = [](adder::protocol::ref to, const actors::system& there) -> task<result<void>> {
    // Until the actor is gone, its messages are handled.
    for (const time_point end = deadline_in(patience); there.dead_letters() == 0 && now() < end;) {
      TANDEM_CO_TRY(co_await to.tell(note_of(1)));
      TANDEM_CO_TRY(co_await sleep_for(1ms));
    }
    co_return result<void>();
  };
  ASSERT_TRUE(nodes.a->rt().block_on(tell(*ref, nodes.b->actors())));
  EXPECT_TRUE(nodes.b->wait_for_dead_letters(1));
}

TEST(Node, WaitingForAMemberThatNeverComesSaysWhatToDo) {
  process alone("a", {{"b", "127.0.0.1:1"}});
  auto body = [](node& n) -> task<result<void>> { co_return co_await n.wait_for("b", 300ms); };
  const auto waited = alone.rt().block_on(body(alone.member_node()));
  EXPECT_EQ(waited.error().code(), errc::unavailable);
  EXPECT_NE(waited.error().message().find("b"), std::string::npos);
  auto stranger = [](node& n) -> task<result<void>> { co_return co_await n.wait_for("zz", 1s); };
  EXPECT_EQ(alone.rt().block_on(stranger(alone.member_node())).error().code(), errc::not_found);
}

TEST(Node, StopsInTheMiddleOfAFlood) {
  for (int round = 0; round < 5; ++round) {
    pair_of_nodes nodes(64 << 10);
    const auto ref = nodes.remote_adder();
    ASSERT_TRUE(ref) << ref.error();
    auto flooding = nodes.a->rt().spawn(flood(*ref, 1'000'000'000, 200));
    auto under_way = [](node& n) -> task<bool> {
      const auto local = co_await n.lookup<adder::protocol::ref>("b", "adder", patience);
      for (;;) {
        const auto sum = co_await local->ask(GetSum(), patience);
        if (!sum || sum->count() > 100) co_return sum.has_value();
      }
    };
    ASSERT_TRUE(nodes.b->rt().block_on(under_way(nodes.b->member_node())));
    (round % 2 ? nodes.a : nodes.b)->leave();
    auto join = [&]() -> task<result<Sum>> { co_return co_await flooding.join(); };
    EXPECT_EQ(nodes.a->rt().block_on(join()).error().code(), errc::unavailable);
  }
}

TEST(Node, StopsFromTwoThreadsWhileOthersAskLookUpAndWait) {
  for (int round = 0; round < 10; ++round) {
    pair_of_nodes nodes(64 << 10);
    const auto ref = nodes.remote_adder();
    ASSERT_TRUE(ref) << ref.error();
    std::vector<join_handle<result<void>>> busy;
    for (int i = 0; i < 4; ++i) {
      busy.push_back(nodes.a->rt().spawn([](node& n, adder::protocol::ref to) -> task<result<void>> {
        for (;;) {
          TANDEM_CO_TRY(co_await to.ask(GetSum(), patience));
          TANDEM_CO_TRY(co_await n.lookup<adder::protocol::ref>("b", "adder", patience));
          TANDEM_CO_TRY(co_await n.wait_for("b", patience));
          TANDEM_CO_TRY(co_await to.tell(note_of(0, 5000)));
        }
      }(nodes.a->member_node(), *ref)));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    process& stopped = round % 2 ? *nodes.a : *nodes.b;
    std::thread other([&] { stopped.leave(); });
    stopped.leave();
    other.join();
    if (round % 2 == 0) nodes.a->leave();  // whoever waits for "b" to come back is told as well
    for (auto& b : busy) {
      auto join = [&]() -> task<result<void>> { co_return co_await b.join(); };
      EXPECT_FALSE(nodes.a->rt().block_on(join()));
    }
  }
}

}  // namespace
}  // namespace tandem::cluster
