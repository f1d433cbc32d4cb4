// Peers that do not keep to the protocol.
#include "transport.hpp"

#include <string>

#include <gtest/gtest.h>

#include "recorder.hpp"
#include "rogue.hpp"

namespace tandem::cluster::internal {
namespace {

std::string record_bytes(std::size_t payload, std::uint8_t flags) {
  std::string out(record_header_bytes + payload, '\0');
  record_header header;
  header.flags = flags;
  encode_header(header, payload, std::as_writable_bytes(std::span(out)).first<record_header_bytes>());
  return out;
}

struct TransportHostile : testing::Test {
  static node_options bounded() {
    auto options = options_for("b", {dialer("a"), member("c", "127.0.0.1:1")});
    options.limits.receive_window_bytes = 64 << 10;
    options.limits.max_record_bytes = 512 << 10;
    options.timing.connect_timeout = std::chrono::milliseconds(300);
    return options;
  }
  test_node b{bounded()};

  void expect_refused(const v1::Frame& first, grpc::StatusCode code, std::string_view text) {
    rogue stranger(*b);
    stranger.say(first);
    const auto status = stranger.outcome();
    EXPECT_EQ(status.error_code(), code);
    EXPECT_NE(status.error_message().find(text), std::string::npos) << status.error_message();
  }

  // After Hello, `frame` must cost the connection and nothing else.
  void expect_cut_off(const v1::Frame& frame, std::string_view text) {
    const auto disconnects = b.seen->of("a").disconnects.size();
    rogue peer(*b);
    peer.say_hello("a");
    ASSERT_TRUE(peer.is_accepted());
    peer.say(frame);
    ASSERT_TRUE(b.seen->wait("a", [&](const auto& h) { return h.disconnects.size() > disconnects; }));
    EXPECT_NE(b.seen->of("a").disconnects.back().find(text), std::string::npos) << b.seen->of("a").disconnects.back();
    EXPECT_FALSE(peer.outcome().ok());
  }
};

TEST_F(TransportHostile, NamesThatMayNotConnectAreRefusedWithAReason) {
  expect_refused(rogue::hello("x"), grpc::StatusCode::PERMISSION_DENIED, "x is not among the members that node b knows");
  expect_refused(rogue::hello("b"), grpc::StatusCode::PERMISSION_DENIED, "b is not among the members");
  expect_refused(rogue::hello("c"), grpc::StatusCode::FAILED_PRECONDITION, "node b dials node c");
  expect_refused(rogue::hello(""), grpc::StatusCode::PERMISSION_DENIED, " is not among the members");
  expect_refused(rogue::hello(std::string(100'000, '\n')), grpc::StatusCode::PERMISSION_DENIED, "????...");
  EXPECT_TRUE(b.seen->wait_problem("x", "refused a connection from 'x'"));
  EXPECT_TRUE(b.seen->of("a").epochs.empty());
}

TEST_F(TransportHostile, HellosThatDoNotFitAreRefusedWithAReason) {
  auto frame = rogue::hello("a");
  frame.mutable_hello()->set_protocol_version(2);
  expect_refused(frame, grpc::StatusCode::FAILED_PRECONDITION, "speaks version 1 of the protocol");
  frame = rogue::hello("a");
  frame.mutable_hello()->set_cluster_name("other");
  expect_refused(frame, grpc::StatusCode::FAILED_PRECONDITION, "of cluster 'other'");
  EXPECT_TRUE(b.seen->wait_problem("a", "of cluster 'other'"));
  frame = rogue::hello("a");
  frame.mutable_hello()->set_incarnation(0);
  expect_refused(frame, grpc::StatusCode::FAILED_PRECONDITION, "lacks a field");
  expect_refused(v1::Frame(), grpc::StatusCode::INVALID_ARGUMENT, "no Hello");
}

TEST_F(TransportHostile, ACallerThatSaysNothingIsDropped) {
  rogue mute(*b);
  EXPECT_FALSE(mute.outcome().ok());
}

TEST_F(TransportHostile, ASecondProcessOfTheSameNameIsRefusedWhileTheFirstIsConnected) {
  rogue first(*b);
  first.say_hello("a");
  ASSERT_TRUE(first.is_accepted());
  ASSERT_TRUE(b.seen->wait_connected("a"));
  auto second = rogue::hello("a");
  second.mutable_hello()->set_incarnation(78);
  expect_refused(second, grpc::StatusCode::ALREADY_EXISTS, "another process is connected to node b as a");
}

TEST_F(TransportHostile, ANewConnectionOfTheSameProcessReplacesTheOldOne) {
  rogue first(*b);
  first.say_hello("a");
  ASSERT_TRUE(first.is_accepted());
  ASSERT_TRUE(b.seen->wait_connected("a"));
  rogue second(*b);
  second.say_hello("a");
  ASSERT_TRUE(second.is_accepted());
  ASSERT_TRUE(b.seen->wait_connected("a", 2));
  EXPECT_FALSE(first.outcome().ok());
  second.say_records(record_bytes(10, 0));
  EXPECT_TRUE(b.seen->wait("a", [](const auto& h) { return h.records == 1; }));
  EXPECT_TRUE(b.seen->of("a").downs.empty());
}

TEST_F(TransportHostile, MalformedFramesCostTheConnection) {
  v1::Frame frame;
  frame.set_records("garbage");
  expect_cut_off(frame, "stray bytes");
  frame.set_records(record_bytes(100, 0).substr(0, 50));
  expect_cut_off(frame, "cut off");
  frame.set_records(record_bytes(512 << 10, 0));
  expect_cut_off(frame, "larger than the limit");
  std::string many;
  while (many.size() <= frame_records_bytes) many += record_bytes(1000, 0);
  frame.set_records(many);
  expect_cut_off(frame, "several records");
  frame = rogue::hello("a");
  expect_cut_off(frame, "Hello twice");
  frame.Clear();
  frame.set_credit_bytes(1);
  expect_cut_off(frame, "more credit than was spent");
}

TEST_F(TransportHostile, ASenderWithoutCreditIsCutOff) {
  rogue peer(*b);
  peer.say_hello("a");
  ASSERT_TRUE(peer.is_accepted());
  for (int i = 0; i < 64; ++i) peer.say_records(record_bytes(1024 - record_header_bytes, record_flag_credit));
  ASSERT_TRUE(b.seen->wait("a", [](const auto& h) { return h.records == 64; }));
  peer.say_records(record_bytes(0, record_flag_credit));
  ASSERT_TRUE(b.seen->wait("a", [](const auto& h) { return !h.disconnects.empty(); }));
  EXPECT_EQ(b.seen->of("a").disconnects.front(),
            "lost the connection to node a: node a broke the protocol: it sent more than the 65536 bytes it had credit "
            "for");
  EXPECT_EQ(b.seen->of("a").records, 64u);
}

TEST_F(TransportHostile, AMessageAboveTheLimitCostsTheConnection) {
  rogue peer(*b);
  peer.say_hello("a");
  ASSERT_TRUE(peer.is_accepted());
  peer.say_records(std::string(1 << 20, 'x'));
  ASSERT_TRUE(b.seen->wait("a", [](const auto& h) { return !h.disconnects.empty(); }));
}

}  // namespace
}  // namespace tandem::cluster::internal
