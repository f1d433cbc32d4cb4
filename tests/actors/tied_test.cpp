// Tied requests in mailboxes: the actor that comes to it first does it, the other one drops its copy.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include <tandem/resilience/tied.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

struct work {
  duration takes;
};
struct tied_read {
  std::string key;
  resilience::tie tied;
};

class replica {
 public:
  using protocol = actors::protocol<void(work), void(tied_read)>;
  replica(std::string name, std::vector<std::string>& log) : name_(std::move(name)), log_(log) {}

  task<> on(work w) { (void)co_await sleep_for(w.takes); }
  void on(const tied_read& r) {
    if (r.tied.claim()) log_.push_back(name_ + " reads " + r.key);
  }

 private:
  std::string name_;
  std::vector<std::string>& log_;
};

TEST(TiedMessages, AreHandledOnceByTheActorWhoseMailboxIsShorterAtTheTime) {
  testing::sim_runtime sim;
  actors::system system(sim);
  std::vector<std::string> log;
  const auto a = system.spawn<replica>("a", log);
  const auto b = system.spawn<replica>("b", log);
  auto body = [&](std::string key) -> task<result<void>> {
    tied_read r(std::move(key), {});
    auto to_a = [&]() -> task<result<void>> { co_return co_await a.tell(r); };
    auto to_b = [&]() -> task<result<void>> { co_return co_await b.tell(r); };
    co_return co_await resilience::send_tied(r.tied, to_a, to_b, 1ms);
  };
  EXPECT_TRUE(sim.run(body("one")).has_value());
  EXPECT_EQ(log, std::vector<std::string>{"a reads one"}) << "which was idle";

  EXPECT_TRUE(a.try_tell(work{100ms}).has_value());
  EXPECT_TRUE(b.try_tell(work{20ms}).has_value());
  EXPECT_TRUE(sim.run(body("two")).has_value());
  sim.advance(1s);
  EXPECT_EQ(log, (std::vector<std::string>{"a reads one", "b reads two"})) << "b was free first, and a dropped its copy";
}

}  // namespace
}  // namespace tandem::actors
