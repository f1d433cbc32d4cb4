// Actors as children: restarted in place.
#include <gtest/gtest.h>

#include <functional>
#include <tuple>

#include <tandem/actors/actor_child.hpp>
#include <tandem/actors/inbox.hpp>

#include "supervised.hpp"

namespace tandem::actors {
namespace {

struct add_up {
  int n;
};
struct total {};
struct crash {};
struct leave {};
struct linger {};  // waits for the gate, or its context
struct finish {};  // shielded from its context, needs 2.5 s

/// What adders have in common, from outside.
struct ledger {
  int made = 0;
  int destroyed = 0;
  int failing_starts = 0;
  error interrupted;
  std::function<task<result<void>>()> on_linger;
  csp::sender<int> last_words;
};

class adder {
 public:
  using protocol = actors::protocol<void(add_up), int(total), void(crash), void(leave), void(linger), void(finish)>;
  adder(actor_context& c, ledger& l, int first) : context_(c), ledger_(l), sum_(first) {
    if (l.failing_starts > 0) {
      --l.failing_starts;
      throw std::runtime_error("no adder");
    }
    ++l.made;
  }
  ~adder() {
    ++ledger_.destroyed;
    (void)ledger_.last_words.try_send(0);
  }
  adder(const adder&) = delete;
  adder& operator=(const adder&) = delete;

  void on(add_up m) { sum_ += m.n; }
  int on(total) const { return sum_; }
  result<void> on(crash) { return fail(errc::data_loss, "crashed"); }
  void on(leave) { context_.quit(); }
  task<> on(linger) {
    result<void> ended;
    if (ledger_.on_linger) {
      ended = co_await ledger_.on_linger();
    } else {
      ended = co_await sleep_for(1h);
    }
    if (!ended) ledger_.interrupted = ended.error();
  }
  task<> on(finish) { (void)co_await without_cancel(rest()); }
  int snapshot() const {
    if (sum_ < 0) throw std::logic_error("nothing to keep");
    return sum_;
  }

 private:
  static task<result<void>> rest() { co_return co_await sleep_for(2500ms); }

  actor_context& context_;
  ledger& ledger_;
  int sum_;
};

/// The same, and takes what it was.
class careful_adder : public adder {
 public:
  careful_adder(actor_context& c, ledger& l, int first) : adder(c, l, first) {}
  careful_adder(actor_context& c, ledger& l, int, int last) : adder(c, l, last) {}
};

struct office {
  ledger books;
  stage s;

  auto spec(actor_child_options options = "a") {
    return actor_child<adder>(s.sys, std::move(options), std::ref(books), 100);
  }
  result<int> sum(const adder::protocol::ref& of) {
    return s.run([](adder::protocol::ref to) -> task<result<int>> { co_return co_await to.ask(total{}, 1min); }(of));
  }
  void tell(const adder::protocol::ref& to, auto message) {
    ASSERT_TRUE(to.try_tell(message).has_value());
    s.sim.run_until_idle();
  }
};

TEST(SupervisedActor, IsTherePromptlyAndHandlesWhatItWasToldBeforeItBegan) {
  office o;
  auto spec = o.spec();
  const auto ref = spec.ref();
  ASSERT_TRUE(ref);
  EXPECT_EQ(ref.name(), "a");
  ASSERT_TRUE(ref.try_tell(add_up{5}).has_value());
  EXPECT_EQ(o.books.made, 0);
  auto tree = o.s.begin(o.s.options(), std::move(spec));
  EXPECT_EQ(*o.sum(ref), 105);
}

TEST(SupervisedActor, IsRestartedInPlaceWithANewObject) {
  office o;
  auto spec = o.spec();
  const auto ref = spec.ref();
  auto tree = o.s.begin(o.s.options(), std::move(spec));
  o.tell(ref, add_up{5});
  const auto id = ref.id();
  o.tell(ref, crash{});
  EXPECT_EQ(o.books.made, 2);
  EXPECT_EQ(o.books.destroyed, 1);
  EXPECT_EQ(ref.id(), id);
  EXPECT_EQ(*o.sum(ref), 100);
  ASSERT_EQ(o.s.events.size(), 1u);
  EXPECT_EQ(o.s.events[0].reason.code(), errc::data_loss);
  EXPECT_EQ(o.s.sys.list_actors().at(0).restarts, 1u);
}

TEST(SupervisedActor, HandlesTheMessagesThatWaitedAfterARestart) {
  office o;
  auto spec = o.spec();
  const auto ref = spec.ref();
  auto tree = o.s.begin(o.s.options(), std::move(spec));
  ASSERT_TRUE(ref.try_tell(crash{}).has_value());
  ASSERT_TRUE(ref.try_tell(add_up{1}).has_value());
  ASSERT_TRUE(ref.try_tell(add_up{2}).has_value());
  EXPECT_EQ(*o.sum(ref), 103);
}

TEST(SupervisedActor, DropsThemIfToldSo) {
  office o;
  actor_child_options options("a");
  options.on_restart = waiting_mail::drop;
  auto spec = o.spec(options);
  const auto ref = spec.ref();
  auto tree = o.s.begin(o.s.options(), std::move(spec));
  ASSERT_TRUE(ref.try_tell(crash{}).has_value());
  ASSERT_TRUE(ref.try_tell(add_up{1}).has_value());
  o.s.sim.run_until_idle();
  EXPECT_EQ(o.s.sys.dead_letters(), 1u);
  EXPECT_EQ(*o.sum(ref), 100);
}

TEST(SupervisedActor, KeepsMessagesThatComeDuringADelay) {
  office o;
  auto with = o.s.options();
  with.backoff.initial = 1s;
  with.backoff.jitter = 0;
  auto spec = o.spec();
  const auto ref = spec.ref();
  auto tree = o.s.begin(with, std::move(spec));
  o.tell(ref, crash{});
  o.tell(ref, add_up{7});
  EXPECT_EQ(o.books.made, 1);
  EXPECT_EQ(o.s.state(tree, "a"), child_state::restarting);
  o.s.sim.advance(1s);
  EXPECT_EQ(*o.sum(ref), 107);
}

TEST(SupervisedActor, ThatQuitsHasEndedNormally) {
  office o;
  auto spec = o.spec(child_options("a", restart_type::transient));
  const auto ref = spec.ref();
  auto tree = o.s.begin(o.s.options(), std::move(spec));
  o.tell(ref, leave{});
  EXPECT_EQ(o.s.state(tree, "a"), child_state::stopped);
  EXPECT_EQ(o.books.destroyed, 1);
  o.tell(ref, add_up{1});  // waits
  ASSERT_TRUE(o.s.run(tree.restart_child("a")).has_value());
  EXPECT_EQ(*o.sum(ref), 101);
}

TEST(SupervisedActor, WhoseConstructorThrowsHasFailedToStart) {
  office o;
  auto spec = o.spec();
  const auto ref = spec.ref();
  o.books.failing_starts = 1;
  auto tree = o.s.begin(o.s.options(), o.s.child("first"), std::move(spec));
  EXPECT_EQ(o.s.run(tree.started()).error().code(), errc::internal);
  EXPECT_EQ(o.s.happened(), "+first -first");
  EXPECT_EQ(o.sum(ref).error().code(), errc::unavailable);
  EXPECT_EQ(o.s.sys.live_actors(), 0u);
}

TEST(SupervisedActor, IsTriedAgainWhenItsConstructorThrowsAtARestart) {
  office o;
  auto with = o.s.options();
  with.intensity = 5;
  auto spec = o.spec();
  const auto ref = spec.ref();
  auto tree = o.s.begin(with, std::move(spec));
  o.books.failing_starts = 2;
  o.tell(ref, crash{});
  EXPECT_EQ(*o.sum(ref), 100);
  EXPECT_EQ(o.s.events.back().restarts, 3u);
}

TEST(SupervisedActor, IsOneOfAllWithTasksAndGroups) {
  office o;
  auto with = o.s.options();
  with.strategy = supervision_strategy::one_for_all;
  auto spec = o.spec();
  const auto ref = spec.ref();
  auto tree = o.s.begin(with, o.s.child("t"), std::move(spec), o.s.child("u"));
  o.tell(ref, add_up{5});
  o.s.fail_child("t");
  EXPECT_EQ(o.s.happened(), "+t +u !t -u +t +u");
  EXPECT_EQ(o.books.made, 2);
  o.tell(ref, crash{});
  EXPECT_EQ(o.s.happened(), "-u -t");  // too many
  EXPECT_EQ(o.sum(ref).error().code(), errc::unavailable);
  EXPECT_EQ(o.s.sys.live_actors(), 0u);
}

// Ends for good.

class mourner {
 public:
  using protocol = actors::protocol<void(adder::protocol::ref)>;
  mourner(actor_context& c, std::vector<down>& seen) : context_(c), seen_(seen) {}
  void on(adder::protocol::ref whom) { ASSERT_TRUE(context_.watch(whom).has_value()); }
  void on(const down& d) { seen_.push_back(d); }

 private:
  actor_context& context_;
  std::vector<down>& seen_;
};

struct wake {
  std::vector<down> seen;
  office o;
  mourner::protocol::ref watching = o.s.sys.spawn<mourner>(spawn_actor_options("m"), std::ref(seen));
  void watch(const adder::protocol::ref& whom) {
    ASSERT_TRUE(watching.try_tell(whom).has_value());
    o.s.sim.run_until_idle();
  }
};

TEST(SupervisedActor, IsNotDownWhileItIsRestarted) {
  wake w;
  auto spec = w.o.spec();
  const auto ref = spec.ref();
  auto tree = w.o.s.begin(w.o.s.options(), std::move(spec));
  w.watch(ref);
  w.o.tell(ref, crash{});
  ASSERT_TRUE(w.o.s.run(tree.terminate_child("a")).has_value());
  EXPECT_TRUE(w.seen.empty());
}

TEST(SupervisedActor, IsDownWhenItsSpecIsDeleted) {
  wake w;
  auto spec = w.o.spec();
  const auto ref = spec.ref();
  auto tree = w.o.s.begin(w.o.s.options(), std::move(spec));
  w.watch(ref);
  ASSERT_TRUE(w.o.s.run(tree.terminate_child("a")).has_value());
  ASSERT_TRUE(w.o.s.run(tree.delete_child("a")).has_value());
  ASSERT_EQ(w.seen.size(), 1u);
  EXPECT_EQ(w.seen[0].id, ref.id());
  EXPECT_EQ(w.o.sum(ref).error().code(), errc::unavailable);
}

TEST(SupervisedActor, IsDownWithItsReasonWhenItIsTemporaryAndEnds) {
  wake w;
  auto spec = w.o.spec(child_options("a", restart_type::temporary));
  const auto ref = spec.ref();
  auto tree = w.o.s.begin(w.o.s.options(), std::move(spec));
  w.watch(ref);
  w.o.tell(ref, crash{});
  ASSERT_EQ(w.seen.size(), 1u);
  EXPECT_EQ(w.seen[0].reason.code(), errc::data_loss);
}

TEST(SupervisedActor, IsDownWhenTheTreeIsStopped) {
  wake w;
  auto spec = w.o.spec();
  const auto ref = spec.ref();
  auto tree = w.o.s.begin(w.o.s.options(), supervisor_child("inner", w.o.s.options("inner"), std::move(spec)));
  w.watch(ref);
  ASSERT_TRUE(w.o.s.run(tree.stop(1s)).has_value());
  EXPECT_EQ(w.seen.size(), 1u);
}

TEST(SupervisedActor, OfANestedSupervisorKeepsItsRefWhenThatIsRestarted) {
  wake w;
  auto inner = w.o.s.options("inner");
  inner.intensity = 0;
  auto spec = w.o.spec();
  const auto ref = spec.ref();
  auto tree = w.o.s.begin(w.o.s.options(), supervisor_child("inner", inner, std::move(spec)));
  w.watch(ref);
  w.o.tell(ref, crash{});
  EXPECT_EQ(*w.o.sum(ref), 100);
  EXPECT_TRUE(w.seen.empty());
}

TEST(SupervisedActor, WhoseSpecIsDroppedHasNeverBeen) {
  office o;
  adder::protocol::ref ref;
  {
    auto spec = o.spec();
    ref = spec.ref();
    ASSERT_TRUE(ref.try_tell(add_up{1}).has_value());
  }
  EXPECT_EQ(ref.try_tell(add_up{1}).error().code(), errc::unavailable);
  EXPECT_EQ(o.s.sys.live_actors(), 0u);
}

TEST(SupervisedActor, ThatWasNeverReachedByAFailingStartIsEnded) {
  office o;
  auto spec = o.spec();
  const auto ref = spec.ref();
  o.s.parts["first"].start_failures = 1;
  auto tree =
      o.s.begin(o.s.options(), o.s.child("first"), supervisor_child("inner", o.s.options("inner"), std::move(spec)));
  EXPECT_FALSE(o.s.run(tree.started()).has_value());
  EXPECT_EQ(o.sum(ref).error().code(), errc::unavailable);
  EXPECT_EQ(o.s.sys.live_actors(), 0u);
}

// Stopping.

TEST(SupervisedActor, IsInterruptedInItsHandlerWhenItIsStopped) {
  office o;
  auto spec = o.spec();
  const auto ref = spec.ref();
  auto tree = o.s.begin(o.s.options(), std::move(spec));
  o.tell(ref, linger{});
  const auto before = o.s.sim.now();
  EXPECT_TRUE(o.s.run(tree.stop(1min)).has_value());
  EXPECT_EQ(o.s.sim.now(), before);
  EXPECT_EQ(o.books.interrupted.code(), errc::cancelled);
  EXPECT_EQ(o.books.destroyed, 1);
  EXPECT_TRUE(o.s.events.empty());
}

TEST(SupervisedActor, ThatIsToldToEndBetweenTwoLivesIsNotInterruptedInTheNext) {
  office o;
  auto spec = o.spec();
  const auto ref = spec.ref();
  auto with = o.s.options();
  with.backoff.initial = 1s;
  auto tree = o.s.begin(with, std::move(spec));
  o.tell(ref, crash{});
  ASSERT_EQ(o.books.destroyed, 1);
  static_cast<detail::local_target&>(*ref.target()).request_exit(make_error(errc::data_loss, "an exit message"), true);
  o.s.sim.advance(1s);
  ASSERT_EQ(o.books.made, 2);
  o.tell(ref, linger{});
  o.s.sim.advance(1h);
  EXPECT_FALSE(o.books.interrupted);
  EXPECT_EQ(*o.sum(ref), 100);
}

TEST(SupervisedActor, IsStoppedInItsTurnWhenTheSystemShutsDown) {
  office o;
  auto spec = o.spec();
  const auto ref = spec.ref();
  bool last_still_ran = false;
  o.books.on_linger = [&]() -> task<result<void>> {
    auto slept = co_await sleep_for(1h);
    last_still_ran = o.s.parts["last"].running;
    co_return slept;
  };
  auto tree = o.s.begin(o.s.options(), o.s.child("first"), std::move(spec), o.s.child("last"));
  o.s.parts["last"].needs_to_stop = 1s;
  o.tell(ref, linger{});
  EXPECT_TRUE(o.s.sys.shutdown(duration::max()).has_value());
  EXPECT_EQ(o.s.happened(), "+first +last -last -first");
  EXPECT_EQ(o.books.interrupted.code(), errc::cancelled);
  EXPECT_FALSE(last_still_ran);
  EXPECT_EQ(o.books.destroyed, 1);
}

TEST(SupervisedActor, IsLeftBehindIfItsHandlerDoesNotEndAndBeginsAgainWhenThatHas) {
  office o;
  auto spec = o.spec(child_options("a", restart_type::permanent, 1s));
  const auto ref = spec.ref();
  auto tree = o.s.begin(o.s.options(), std::move(spec));
  o.tell(ref, finish{});
  ASSERT_TRUE(o.s.run(tree.terminate_child("a")).has_value());
  ASSERT_EQ(o.s.events.size(), 1u);
  EXPECT_EQ(o.s.events[0].what, child_incident::left_behind);
  EXPECT_EQ(o.s.run(tree.restart_child("a")).error().code(), errc::timed_out);  // 1 s later, of 2.5
  EXPECT_TRUE(o.s.run(tree.restart_child("a")).has_value());
  EXPECT_EQ(o.books.made, 2);
  EXPECT_EQ(o.books.destroyed, 1);
  EXPECT_EQ(*o.sum(ref), 100);
}

TEST(SupervisedActor, ThatWasLeftBehindIsNotNamedOnceItHasEnded) {
  office o;
  auto spec = o.spec(child_options("a", restart_type::permanent, 1s));
  const auto ref = spec.ref();
  auto tree = o.s.begin(o.s.options(), std::move(spec));
  o.tell(ref, finish{});
  ASSERT_TRUE(o.s.run(tree.terminate_child("a")).has_value());
  ASSERT_EQ(o.s.events.size(), 1u);
  o.s.sim.advance(2s);
  ASSERT_EQ(o.books.destroyed, 1);
  EXPECT_TRUE(o.s.run(tree.stop(1h)).has_value());
}

TEST(SupervisedActor, ThatIsKilledBeginsAgainOnceItsObjectIsGone) {
  office o;
  auto spec = o.spec(child_options("a", restart_type::permanent, child_shutdown::brutal()));
  const auto ref = spec.ref();
  auto tree = o.s.begin(o.s.options(), std::move(spec));
  o.tell(ref, linger{});
  ASSERT_TRUE(o.s.run(tree.terminate_child("a")).has_value());
  ASSERT_TRUE(o.s.run(tree.restart_child("a")).has_value());
  EXPECT_EQ(*o.sum(ref), 100);
  EXPECT_EQ(o.books.destroyed, 1);
}

TEST(SupervisedActor, ThatIsStoppedInTheMomentItsLastObjectGoesDoesNotBegin) {
  int stopped = 0;
  for (std::uint32_t seed = 1; seed <= 100; ++seed) {
    testing::sim_options shuffled;
    shuffled.seed = seed;
    shuffled.order = testing::task_order::shuffled;
    ledger books;
    csp::receiver<int> gone;
    std::tie(books.last_words, gone) = csp::make_channel<int>(10);
    stage s(shuffled);
    auto spec = actor_child<adder>(s.sys, child_options("a", restart_type::permanent, child_shutdown::brutal()),
                                   std::ref(books), 100);
    const adder::protocol::ref ref = spec.ref();
    auto branch = supervisor_child({"branch", restart_type::transient}, s.options("branch"), std::move(spec));
    const supervisor inner = branch.handle();
    auto tree = s.begin(s.options(), std::move(branch));
    ASSERT_TRUE(ref.try_tell(finish{}).has_value());
    s.sim.run_until_idle();
    ASSERT_TRUE(s.run(inner.terminate_child("a")).has_value());
    auto again = s.sim.spawn(inner.restart_child("a"));
    auto stop_then = [&]() -> task<result<void>> {
      (void)co_await gone.recv();
      co_return co_await inner.stop(1h);
    };
    auto end = s.sim.spawn(stop_then());
    s.sim.advance(2500ms);
    ASSERT_TRUE(end.done() && again.done());
    if (!s.sim.get(again).has_value()) ++stopped;
    EXPECT_EQ(books.made, books.destroyed) << "seed " << seed;
  }
  EXPECT_GT(stopped, 0);
}

TEST(SupervisedActor, MayEndItselfByItsSupervisor) {
  office o;
  supervisor tree;
  auto spec = o.spec();
  const auto ref = spec.ref();
  result<void> told = fail(errc::unknown);
  o.books.on_linger = [&]() -> task<result<void>> {
    told = co_await tree.terminate_child("a");
    co_return co_await sleep_for(1h);
  };
  o.s.begin_as(tree, o.s.options(), std::move(spec));
  o.tell(ref, linger{});
  EXPECT_TRUE(told.has_value());
  EXPECT_EQ(o.books.interrupted.code(), errc::cancelled);
  EXPECT_EQ(o.s.state(tree, "a"), child_state::stopped);
}

TEST(SupervisedActor, MayStopItsWholeTree) {
  office o;
  supervisor tree;
  auto spec = o.spec();
  const auto ref = spec.ref();
  result<void> told = fail(errc::unknown);
  o.books.on_linger = [&]() -> task<result<void>> {
    told = co_await without_cancel(tree.stop(1h));
    co_return told;
  };
  o.s.begin_as(tree, o.s.options(), o.s.child("t"), std::move(spec));
  o.tell(ref, linger{});
  EXPECT_TRUE(told.has_value());
  EXPECT_TRUE(o.s.run(tree.wait()).has_value());
  EXPECT_EQ(o.books.destroyed, 1);
}

// Snapshots.

TEST(SupervisedActor, GetsTheSnapshotOfItsLastObject) {
  office o;
  actor_child_options options("a");
  options.snapshot = true;
  auto spec = actor_child<careful_adder>(o.s.sys, options, std::ref(o.books), 100);
  const adder::protocol::ref ref = spec.ref();
  auto with = o.s.options();
  with.intensity = 5;
  auto tree = o.s.begin(with, std::move(spec));
  o.tell(ref, add_up{11});
  o.tell(ref, crash{});
  EXPECT_EQ(*o.sum(ref), 111);
  o.tell(ref, crash{});
  EXPECT_EQ(*o.sum(ref), 111);
  o.tell(ref, add_up{-1000});
  o.tell(ref, crash{});  // its snapshot throws
  EXPECT_EQ(*o.sum(ref), 100);
  EXPECT_NE(o.s.sys.list_actors().at(0).class_name.find("careful_adder"), std::string::npos);
  EXPECT_EQ(o.s.sys.list_actors().at(0).class_name.find("snapshot"), std::string::npos);
}

TEST(SupervisedActor, KeepsASnapshotThatAConstructorFailedWith) {
  office o;
  actor_child_options options("a");
  options.snapshot = true;
  auto spec = actor_child<careful_adder>(o.s.sys, options, std::ref(o.books), 100);
  const adder::protocol::ref ref = spec.ref();
  auto with = o.s.options();
  with.intensity = 5;
  auto tree = o.s.begin(with, std::move(spec));
  o.tell(ref, add_up{11});
  o.books.failing_starts = 2;
  o.tell(ref, crash{});
  EXPECT_EQ(o.books.failing_starts, 0);
  EXPECT_EQ(*o.sum(ref), 111);
}

class plain {
 public:
  using protocol = actors::protocol<void(leave)>;
  void on(leave) {}
};

TEST(SupervisedActor, RefusesSnapshotsOfAClassThatHasNone) {
  office o;
  actor_child_options options("a");
  options.snapshot = true;
  EXPECT_THROW((void)actor_child<plain>(o.s.sys, options), std::logic_error);
}

// Functions and templates.

using words = inbox<void(std::string)>;

TEST(SupervisedActor, MayBeOneCoroutine) {
  std::string heard;
  stage s;
  auto listen = [](words& in, std::string* into) -> task<result<void>> {
    for (;;) {
      auto next = co_await in.receive();
      if (!next) co_return fail(std::move(next).error());
      const std::string& word = *next->get_if<std::string>();
      if (word == "bad") co_return fail(errc::invalid_argument, "a bad word");
      *into += word;
    }
  };
  auto spec = actor_child(s.sys, "ear", listen, &heard);
  const auto ref = spec.ref();
  auto tree = s.begin(s.options(), std::move(spec));
  for (const char* word : {"a", "bad", "b"}) ASSERT_TRUE(ref.try_tell(std::string(word)).has_value());
  s.sim.run_until_idle();
  EXPECT_EQ(heard, "ab");
  EXPECT_EQ(s.events.size(), 1u);
}

TEST(SupervisedActor, MayBeMadeFromATemplate) {
  ledger books;
  stage s;
  auto sup =
      start_supervisor(s.sys, s.options(), actor_template<adder, std::reference_wrapper<ledger>, int>(s.sys, "adder"));
  const auto one = s.run(sup.start_child(books, 1));
  const auto two = s.run(sup.start_child(books, 2));
  ASSERT_TRUE(one.has_value() && two.has_value());
  ASSERT_TRUE(one->handle.try_tell(crash{}).has_value());
  ASSERT_TRUE(one->handle.try_tell(add_up{10}).has_value());
  s.sim.run_until_idle();
  const auto ask = [](adder::protocol::ref to) -> task<result<int>> { co_return co_await to.ask(total{}, 1min); };
  EXPECT_EQ(*s.run(ask(one->handle)), 11);
  EXPECT_EQ(*s.run(ask(two->handle)), 2);
  ASSERT_TRUE(s.run(sup.terminate_child(two->number)).has_value());
  EXPECT_EQ(s.run(ask(two->handle)).error().code(), errc::unavailable);
  EXPECT_EQ(s.sys.live_actors(), 2u);  // the supervisor is one
}

TEST(SupervisedActor, IsNotMadeOnceTheSystemWasShutDown) {
  office o;
  ASSERT_TRUE(o.s.sys.shutdown(duration::max()).has_value());
  auto spec = o.spec();
  EXPECT_FALSE(spec.ref());
}

}  // namespace
}  // namespace tandem::actors
