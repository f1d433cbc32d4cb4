// A node and a member that has a right to talk to it and does so badly; and what must not grow or starve.
#include <tandem/cluster/node.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <node_test.pb.h>
#include <unistd.h>

#include <tandem/actors/detail/message.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/with_context.hpp>

#include "record.hpp"
#include "record_kind.hpp"
#include "refusal.hpp"
#include "rogue.hpp"

namespace tandem::cluster {
namespace {

using namespace std::chrono_literals;
using namespace tandem::test::v1;
using internal::record_header;
using internal::record_kind;
using internal::rogue;

constexpr duration patience = 20s;

// Takes notes until it is stalled.
class taker {
 public:
  using protocol = actors::protocol<void(Note), Sum(GetSum), Stalled(Stall)>;
  void on(Note) { ++count_; }
  Sum on(GetSum) {
    Sum s;
    s.set_count(count_);
    return s;
  }
  task<result<Stalled>> on(Stall) {
    TANDEM_CO_TRY(co_await sleep_for(1h));
    co_return Stalled();
  }

 private:
  std::uint64_t count_ = 0;
};
using taker_ref = taker::protocol::ref;

std::unique_ptr<node> start_node(actors::system& system, std::string name, std::vector<member> members,
                                 std::uint64_t window) {
  node_options o;
  o.name = std::move(name);
  o.listen_address = "127.0.0.1:0";
  o.members = std::move(members);
  o.insecure_plaintext = true;
  o.limits.receive_window_bytes = window;
  auto started = node::start(system, std::move(o));
  if (!started) throw std::runtime_error(to_string(started.error()));
  return std::move(*started);
}

std::string record(record_kind kind, bool paid, std::uint64_t target, std::string_view payload = {},
                   std::uint32_t type_hash = 0) {
  record_header h;
  h.kind = static_cast<std::uint8_t>(kind);
  h.flags = paid ? internal::record_flag_credit : 0;
  h.type_hash = type_hash;
  h.target = target;
  h.sender = 1;
  std::string bytes(internal::record_header_bytes, '\0');
  internal::encode_header(h, payload.size(),
                          std::as_writable_bytes(std::span(bytes)).first<internal::record_header_bytes>());
  return bytes.append(payload);
}

class NodeHostile : public ::testing::Test {
 protected:
  actors::system_options options() {
    actors::system_options o;
    o.on_dead_letter = [this](const actors::dead_letter&) {
      std::this_thread::sleep_for(pause);
      ++letters;
    };
    return o;
  }
  std::atomic<std::size_t> letters{0};
  std::chrono::milliseconds pause{0};
  runtime rt{{.workers = 2}};
  std::optional<actors::system> system{std::in_place, rt, options()};
  std::unique_ptr<node> victim = start_node(*system, "b", {{"a", "127.0.0.1:1"}}, 1 << 20);
};

TEST_F(NodeHostile, MessagesWithoutCreditCostTheConnection) {
  const auto kind_of_a_newer_node = static_cast<record_kind>(99);
  for (const record_kind kind : {record_kind::tell, record_kind::ask, kind_of_a_newer_node}) {
    rogue peer("b", victim->port());
    peer.say_hello("a");
    ASSERT_TRUE(peer.is_accepted());
    peer.say_records(record(kind, false, 12345));
    EXPECT_FALSE(peer.outcome().ok()) << static_cast<int>(kind);
  }
  EXPECT_EQ(system->dead_letters(), 0U);
}

TEST_F(NodeHostile, AnswersNobodyAskedForAndKindsNobodyKnowsAreIgnored) {
  rogue peer("b", victim->port());
  peer.say_hello("a");
  ASSERT_TRUE(peer.is_accepted());
  peer.say_records(record(record_kind::answer, false, 0, "?") + record(record_kind::refuse, true, 0, "?") +
                   record(static_cast<record_kind>(99), true, 7));
  peer.say_records(record(record_kind::refuse, false, 0, std::string(600'000, '\x0a').append(1, '\0')));
  v1::LookupRequest request;
  request.set_name("nobody");
  request.set_protocol(std::string(300'000, ','));
  peer.say_records(record(record_kind::ask, true, 0, request.SerializeAsString(),
                          actors::detail::type_of_message<v1::LookupRequest>().hash));
  v1::Frame frame;
  do {
    ASSERT_TRUE(peer.hear(frame));
  } while (frame.records().empty());
  internal::record_reader reader(std::as_bytes(std::span(frame.records())), 1 << 20);
  internal::record_view refusal;
  ASSERT_TRUE(reader.next(refusal).value_or(false));
  EXPECT_EQ(refusal.header.kind, static_cast<std::uint8_t>(record_kind::refuse));
  EXPECT_EQ(internal::decode_refusal(refusal.payload).code(), errc::invalid_argument);
}

TEST_F(NodeHostile, NothingOfUsersRunsAfterStop) {
  constexpr std::size_t n = 200;
  pause = 2ms;
  rogue peer("b", victim->port());
  peer.say_hello("a");
  ASSERT_TRUE(peer.is_accepted());
  std::string tells;
  for (std::size_t i = 0; i < n; ++i) tells += record(record_kind::tell, true, 1'000'000 + i);
  peer.say_records(std::move(tells));
  while (victim->counters().messages_received < n) std::this_thread::sleep_for(1ms);
  victim->stop(5s);
  EXPECT_EQ(letters.load(), n);
  victim.reset();
  system.reset();
}

// Without fix-ups by the kernel: what is in memory now.
std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  in >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

struct two_nodes {
  explicit two_nodes(std::uint64_t window) {
    b = start_node(b_system, "b", {{"a", "127.0.0.1:1"}}, window);
    a = start_node(a_system, "a", {{"b", "127.0.0.1:" + std::to_string(b->port())}}, window);
  }
  taker_ref remote(const std::string& name) {
    if (!b_system.register_name(name, b_system.spawn<taker>())) return {};
    auto find = [](node& n, std::string what) -> task<result<taker_ref>> {
      TANDEM_CO_TRY(co_await n.wait_for("b", patience));
      co_return co_await n.lookup<taker_ref>("b", std::move(what), patience);
    };
    return a_rt.block_on(find(*a, name)).value_or(taker_ref());
  }
  runtime a_rt{{.workers = 2}}, b_rt{{.workers = 2}};
  actors::system a_system{a_rt}, b_system{b_rt};
  std::unique_ptr<node> a, b;
};

Note note_of(std::size_t bytes) {
  Note n;
  n.set_payload(std::string(bytes, 'x'));
  return n;
}

TEST(NodeBounds, AFewMessagesThatWaitDoNotKeepTheFramesOfTheOthers) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep freed memory";
#endif
  two_nodes nodes(1 << 20);
  const taker_ref slow = nodes.remote("slow");
  const taker_ref fast = nodes.remote("fast");
  ASSERT_TRUE(slow && fast);
  auto stall = nodes.a_rt.spawn([](taker_ref to) -> task<> { (void)co_await to.ask(Stall(), 1h); }(slow));
  auto flood = [](taker_ref to_slow, taker_ref to_fast) -> task<result<Sum>> {
    // 300 MB in all, of which 60 kB wait.
    for (int i = 0; i < 1500; ++i) {
      TANDEM_CO_TRY(co_await to_slow.tell(note_of(4)));
      for (int j = 0; j < 50; ++j) TANDEM_CO_TRY(co_await to_fast.tell(note_of(4000)));
    }
    co_return co_await to_fast.ask(GetSum(), patience);
  };
  const std::size_t before = resident_bytes();
  const auto sum = nodes.a_rt.block_on(flood(slow, fast));
  ASSERT_TRUE(sum) << sum.error();
  EXPECT_EQ(sum->count(), 75'000U);
  const std::size_t after = resident_bytes();
  EXPECT_LT(after - std::min(after, before), std::size_t{60} << 20);
  nodes.a->stop(1s);
}

// Takes its time.
class ponderer {
 public:
  using protocol = actors::protocol<Sum(Note)>;
  task<Sum> on(Note) {
    (void)co_await sleep_for(1ms);
    co_return Sum();
  }
};

TEST(NodeBounds, ALargeMessageIsNotStarvedBySmallOnes) {
  two_nodes nodes(64 << 10);
  const taker_ref large = nodes.remote("large");
  const auto local = nodes.b_system.spawn<ponderer>();
  ASSERT_TRUE(nodes.b_system.register_name("small", local));
  const auto small = nodes.a_rt.block_on(nodes.a->lookup<ponderer::protocol::ref>("b", "small", patience));
  ASSERT_TRUE(large && small);
  auto race = [](taker_ref to_large, ponderer::protocol::ref to_small) -> task<result<void>> {
    const auto done = std::make_shared<std::atomic<bool>>(false);
    // Never more than 48 kB of the window, so that none of these ever waits; but hardly ever less.
    std::vector<join_handle<result<void>>> crowd;
    for (int i = 0; i < 16; ++i) {
      crowd.push_back(
          spawn([](ponderer::protocol::ref to, std::shared_ptr<std::atomic<bool>> end) -> task<result<void>> {
            while (!*end) TANDEM_CO_TRY(co_await to.ask(note_of(3000), patience));
            co_return result<void>();
          }(to_small, done)));
    }
    (void)co_await sleep_for(50ms);
    auto tell = [](taker_ref to) -> task<result<void>> { co_return co_await to.tell(note_of(60'000)); };
    const auto sent = co_await with_timeout(patience, tell(to_large));
    *done = true;
    for (auto& c : crowd) TANDEM_CO_TRY(co_await c.join());
    co_return sent;
  };
  const auto outcome = nodes.a_rt.block_on(race(large, *small));
  EXPECT_TRUE(outcome) << outcome.error();
}

}  // namespace
}  // namespace tandem::cluster
