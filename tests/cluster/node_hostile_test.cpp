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

#include "error_wire.hpp"
#include "record.hpp"
#include "record_kind.hpp"
#include "rogue.hpp"

namespace tandem::cluster {
namespace {

using namespace std::chrono_literals;
using namespace tandem::test::v1;
using internal::record_header;
using internal::record_kind;
using internal::rogue;

constexpr duration patience = 20s;

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

}  // namespace
}  // namespace tandem::cluster
