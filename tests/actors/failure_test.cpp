// Who hears of an actor that fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <tandem/actors/actor_child.hpp>
#include <tandem/actors/inbox.hpp>
#include <tandem/actors/supervisor.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

class fragile {
 public:
  using protocol = actors::protocol<void(note), void(hold), std::int64_t(get)>;
  result<void> on(note) { return fail(errc::data_loss, "disk gone"); }
  void on(hold) { throw std::runtime_error("out of paper"); }
  std::int64_t on(get) { throw std::runtime_error("out of ink"); }
};

class guard {
 public:
  using protocol = actors::protocol<void(note)>;
  guard(actor_context& c, const fragile::protocol::ref& whom, int& told) : told_(told) { (void)c.watch(whom); }
  void on(note) {}
  void on(const down&) { ++told_; }

 private:
  int& told_;
};

struct stage {
  explicit stage(system_options options = {}) { sys.emplace(sim, std::move(options)); }

  template <class F>
  std::string stderr_of(F f) {
    ::testing::internal::CaptureStderr();
    f();
    sim.run_until_idle();
    return ::testing::internal::GetCapturedStderr();
  }
  std::string stderr_of_end() {
    ::testing::internal::CaptureStderr();
    sys.reset();
    return ::testing::internal::GetCapturedStderr();
  }

  testing::sim_runtime sim;
  std::optional<system> sys;
};

std::string told_of(const std::string& who, const std::string& why) {
  return "tandem: actor " + who + " failed, and nobody supervises or watches it: " + why;
}

TEST(ActorFailure, OfOneThatNobodyWatchesIsToldOnStderr) {
  stage s;
  const auto ref = s.sys->spawn<fragile>("printer");
  const std::string text = s.stderr_of([&] { EXPECT_TRUE(ref.try_tell(hold{}).has_value()); });
  EXPECT_TRUE(text.starts_with(told_of("printer (id " + std::to_string(ref.id()) + ")", "the actor failed while it ")))
      << text;
  EXPECT_NE(text.find("out of paper"), std::string::npos) << text;
}

TEST(ActorFailure, IsToldOnStderrThoughAnAskerHeardOfIt) {
  stage s;
  const auto ref = s.sys->spawn<fragile>("printer");
  const std::string text = s.stderr_of([&] {
    const auto answer = s.sim.run([&]() -> task<result<std::int64_t>> { co_return co_await ref.ask(get{}); });
    EXPECT_EQ(answer.error().code(), errc::unavailable);
  });
  EXPECT_NE(text.find("out of ink"), std::string::npos) << text;
}

TEST(ActorFailure, OfOneThatQuitsWithAReasonIsToldOnStderr) {
  class quitter {
   public:
    using protocol = actors::protocol<void(note)>;
    explicit quitter(actor_context& c) : context_(c) {}
    void on(note) { context_.quit(make_error(errc::resource_exhausted, "enough")); }

   private:
    actor_context& context_;
  };
  stage s;
  const auto ref = s.sys->spawn<quitter>();
  const std::string text = s.stderr_of([&] { EXPECT_TRUE(ref.try_tell(note{1}).has_value()); });
  EXPECT_NE(text.find("quitter (id "), std::string::npos) << text;  // of its class, as it has no name
  EXPECT_NE(text.find("enough [resource_exhausted"), std::string::npos) << text;
}

TEST(ActorFailure, OfOneThatIsWatchedIsNotToldOnStderr) {
  stage s;
  int told = 0;
  const auto ref = s.sys->spawn<fragile>();
  const auto watching = s.sys->spawn<guard>(ref, told);
  EXPECT_EQ(s.stderr_of([&] { EXPECT_TRUE(ref.try_tell(note{1}).has_value()); }), "");
  EXPECT_EQ(told, 1);
}

TEST(ActorFailure, OfOneThatIsSupervisedIsToldBySupervisorOnly) {
  stage s;
  std::vector<supervision_event> events;
  supervisor_options o;
  o.on_event = [&](const supervision_event& e) { events.push_back(e); };
  auto printer = actor_child<fragile>(*s.sys, child_options("printer", restart_type::temporary));
  const auto ref = printer.ref();
  const supervisor tree = start_supervisor(*s.sys, std::move(o), std::move(printer));
  s.sim.run_until_idle();
  EXPECT_EQ(s.stderr_of([&] { EXPECT_TRUE(ref.try_tell(note{1}).has_value()); }), "");
  EXPECT_EQ(events.size(), 1U);
}

task<result<void>> listen(inbox<void(note)>& in) {
  for (;;) {
    auto message = co_await in.receive();
    if (!message) co_return fail(message.error());
    message->match([](note) {});
  }
}

task<result<void>> burn(inbox<void(note)>& in) {
  (void)co_await in.receive();
  co_return fail(errc::data_loss, "disk gone");
}

TEST(ActorFailure, ThatIsTheEndOfItsInboxIsNone) {
  stage s;
  auto ref = s.sys->spawn("listener", listen);
  s.sim.run_until_idle();
  EXPECT_EQ(s.stderr_of([&] { ref = {}; }), "");
  EXPECT_EQ(s.sys->live_actors(), 0U);
  const auto other = s.sys->spawn("listener", listen);
  s.sim.run_until_idle();
  EXPECT_EQ(s.stderr_of_end(), "");
}

TEST(ActorFailure, OfAFunctionIsToldOnStderr) {
  stage s;
  const auto ref = s.sys->spawn("burner", burn);
  const std::string text = s.stderr_of([&] { EXPECT_TRUE(ref.try_tell(note{1}).has_value()); });
  EXPECT_TRUE(text.starts_with(told_of("burner (id " + std::to_string(ref.id()) + ")", "disk gone"))) << text;
}

TEST(ActorFailure, OfManyIsToldOfSome) {
  stage s;
  const std::string text = s.stderr_of([&] {
    for (int i = 0; i < 8; ++i) EXPECT_TRUE(s.sys->spawn<fragile>().try_tell(note{i}).has_value());
  });
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 5) << text;
  EXPECT_EQ(s.stderr_of_end(), "tandem: 3 more actors that failed in the last second\n");
}

TEST(ActorFailure, IsNotToldOnStderrIfThatIsNotWished) {
  system_options quiet;
  quiet.log_failures = false;
  stage s(std::move(quiet));
  const auto ref = s.sys->spawn<fragile>();
  EXPECT_EQ(s.stderr_of([&] { EXPECT_TRUE(ref.try_tell(note{1}).has_value()); }), "");
}

}  // namespace
}  // namespace tandem::actors
