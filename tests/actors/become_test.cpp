// An actor that becomes another class.
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct turn {};
struct who {};

struct log {
  std::vector<std::string> events;
  int opened_at = -1;
};

// Open and shut, as in a turnstile.
class open_gate;
class shut_gate {
 public:
  using protocol = actors::protocol<void(turn), std::string(who)>;
  shut_gate(actor_context& c, log& l, std::unique_ptr<int> count = std::make_unique<int>(0))
      : context_(c), log_(l), count_(std::move(count)) {
    log_.events.emplace_back("shut made");
  }
  ~shut_gate() { log_.events.emplace_back("shut gone"); }
  shut_gate(const shut_gate&) = delete;
  shut_gate& operator=(const shut_gate&) = delete;
  void on(turn);
  std::string on(who) { return "shut " + std::to_string(*count_); }

 private:
  actor_context& context_;
  log& log_;
  std::unique_ptr<int> count_;
};

class open_gate {
 public:
  using protocol = shut_gate::protocol;
  open_gate(actor_context& c, log& l, std::unique_ptr<int> count) : context_(c), log_(l), count_(std::move(count)) {
    log_.events.emplace_back("open made");
  }
  ~open_gate() { log_.events.emplace_back("open gone"); }
  open_gate(const open_gate&) = delete;
  open_gate& operator=(const open_gate&) = delete;
  task<> on(turn) {
    context_.become<shut_gate>(log_, std::move(count_));
    co_await sleep_for(10ms);
    log_.events.emplace_back("open handler ended");
  }
  std::string on(who) { return "open " + std::to_string(*count_); }

 private:
  actor_context& context_;
  log& log_;
  std::unique_ptr<int> count_;
};

void shut_gate::on(turn) {
  ++*count_;
  context_.become<open_gate>(log_, std::move(count_));
  log_.events.emplace_back("shut handler ended");
}

template <class Ref>
std::string ask_who(testing::sim_runtime& sim, const Ref& ref) {
  return sim.run([&]() -> task<result<std::string>> { co_return co_await ref.ask(who{}); }).value();
}

TEST(Become, TheSuccessorTakesOverWhenTheHandlerHasEnded) {
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<shut_gate>(l);
  EXPECT_EQ(ask_who(sim, ref), "shut 0");
  ASSERT_TRUE(ref.try_tell(turn{}).has_value());
  EXPECT_EQ(ask_who(sim, ref), "open 1");
  EXPECT_EQ(l.events, (std::vector<std::string>{"shut made", "open made", "shut handler ended", "shut gone"}));
}

TEST(Become, AfterACoroutineHandlerToo) {
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<shut_gate>(l);
  ASSERT_TRUE(ref.try_tell(turn{}).has_value());
  sim.run_until_idle();
  l.events.clear();
  ASSERT_TRUE(ref.try_tell(turn{}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(l.events, (std::vector<std::string>{"shut made"}));
  EXPECT_EQ(ask_who(sim, ref), "shut 1");
  EXPECT_EQ(l.events, (std::vector<std::string>{"shut made", "open handler ended", "open gone"}));
}

TEST(Become, ReportsShowTheClassItIsNow) {
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<shut_gate>(l);
  EXPECT_NE(sys.list_actors().at(0).class_name.find("shut_gate"), std::string::npos);
  ASSERT_TRUE(ref.try_tell(turn{}).has_value());
  sim.run_until_idle();
  EXPECT_NE(sys.list_actors().at(0).class_name.find("open_gate"), std::string::npos);
}

class bad {
 public:
  using protocol = shut_gate::protocol;
  explicit bad(log&) { throw std::runtime_error("bad"); }
  void on(turn) {}
  std::string on(who) { return "bad"; }
};

TEST(Become, AConstructorThatThrowsChangesNothing) {
  class careful {
   public:
    using protocol = shut_gate::protocol;
    careful(actor_context& c, log& l) : context_(c), log_(l) {}
    void on(turn) { EXPECT_THROW(context_.become<bad>(log_), std::runtime_error); }
    std::string on(who) { return "careful"; }

   private:
    actor_context& context_;
    log& log_;
  };
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<careful>(l);
  ASSERT_TRUE(ref.try_tell(turn{}).has_value());
  EXPECT_EQ(ask_who(sim, ref), "careful");
}

TEST(Become, OfTwoSuccessorsTheSecondCounts) {
  struct hasty {
    using protocol = shut_gate::protocol;
    hasty(actor_context& c, log& l) : context(c), out(l) {}
    void on(turn) {
      context.become<open_gate>(out, std::make_unique<int>(1));
      context.become<shut_gate>(out, std::make_unique<int>(2));
    }
    std::string on(who) { return "hasty"; }
    actor_context& context;
    log& out;
  };
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<hasty>(l);
  ASSERT_TRUE(ref.try_tell(turn{}).has_value());
  EXPECT_EQ(ask_who(sim, ref), "shut 2");
  EXPECT_EQ(l.events, (std::vector<std::string>{"open made", "shut made", "open gone"}));
}

TEST(Become, CanBeCalledByTheConstructor) {
  struct caterpillar {
    using protocol = shut_gate::protocol;
    caterpillar(actor_context& c, log& l) { c.become<open_gate>(l, std::make_unique<int>(5)); }
    void on(turn) {}
    std::string on(who) { return "caterpillar"; }
  };
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<caterpillar>(l);
  EXPECT_EQ(ask_who(sim, ref), "open 5");
}

struct narrow {
  using protocol = actors::protocol<void(turn)>;
  void on(turn) {}
};

TEST(Become, AClassThatTakesLessIsRefused) {
  struct broad {
    using protocol = shut_gate::protocol;
    explicit broad(actor_context& c) : context(c) {}
    void on(turn) { EXPECT_THROW(context.become<narrow>(), std::logic_error); }
    std::string on(who) { return "broad"; }
    actor_context& context;
  };
  testing::sim_runtime sim;
  system sys(sim);
  const auto ref = sys.spawn<broad>();
  ASSERT_TRUE(ref.try_tell(turn{}).has_value());
  EXPECT_EQ(ask_who(sim, ref), "broad");
}

TEST(Become, AnActorThatEndsDestroysASuccessorThatNeverTookOver) {
  struct ending {
    using protocol = shut_gate::protocol;
    ending(actor_context& c, log& l) : context(c), out(l) {}
    ~ending() { out.events.emplace_back("ending gone"); }
    ending(const ending&) = delete;
    ending& operator=(const ending&) = delete;
    result<void> on(turn) {
      context.become<open_gate>(out, std::make_unique<int>(1));
      return fail(errc::data_loss, "and over");
    }
    std::string on(who) { return "ending"; }
    actor_context& context;
    log& out;
  };
  testing::sim_runtime sim;
  log l;
  system sys(sim);
  const auto ref = sys.spawn<ending>(l);
  ASSERT_TRUE(ref.try_tell(turn{}).has_value());
  sim.run_until_idle();
  EXPECT_EQ(sys.live_actors(), 0U);
  EXPECT_EQ(l.events.size(), 3U);  // made, and both gone
}

}  // namespace
}  // namespace tandem::actors
