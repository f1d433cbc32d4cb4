#include "transport.hpp"

#include <atomic>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "recorder.hpp"

namespace tandem::cluster::internal {
namespace {

using std::chrono::steady_clock;

TEST(Transport, ConnectsEachPairOnceAndKnowsWhoIsThere) {
  test_node c(options_for("c", {dialer("a"), dialer("b")}));
  test_node b(options_for("b", {dialer("a"), at("c", *c)}));
  test_node a(options_for("a", {at("b", *b), at("c", *c), member("a", "ignored:1")}));
  for (const auto* node : {&a, &b, &c}) {
    EXPECT_EQ((*node)->peer_count(), 2u);
    for (const auto* other : {&a, &b, &c}) {
      const std::string& name = (*other)->own_name();
      if (node == other) {
        EXPECT_EQ((*node)->find(name), std::nullopt);
        continue;
      }
      ASSERT_TRUE(node->seen->wait_connected(name));
      EXPECT_EQ(node->seen->of(name).incarnations, std::vector{(*other)->incarnation()});
      EXPECT_EQ((*node)->name_of(*(*node)->find(name)), name);
    }
  }
}

TEST(Transport, CarriesRecordsBothWays) {
  test_pair pair;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(post_text(**pair.a, pair.to_b, 1, "to b"), post_outcome::queued);
    EXPECT_EQ(post_text(**pair.b, pair.to_a, 1, "to a", true), post_outcome::queued);
  }
  EXPECT_TRUE(pair.b->seen->wait("a", [](const auto& h) { return h.records == 100; }));
  EXPECT_TRUE(pair.a->seen->wait("b", [](const auto& h) { return h.records == 100; }));
}

TEST(Transport, DeliversPayloadsUnchangedAndInOrder) {
  std::vector<std::string> got;
  std::vector<std::string> sent;
  test_node b(options_for("b", {dialer("a")}));
  b.seen->on_record = [&](peer_id, std::uint64_t, const record_view& r) {
    got.emplace_back(reinterpret_cast<const char*>(r.payload.data()), r.payload.size());
  };
  test_node a(options_for("a", {at("b", *b)}));
  ASSERT_TRUE(a.seen->wait_connected("b"));
  // Around every size at which records are treated differently.
  for (const std::size_t size : {0, 1, 1000, 16383, 16384, 16385, 262111, 262112, 262113, 5, 3'000'000, 7})
    sent.push_back(std::string(size, static_cast<char>('a' + size % 26)));
  for (const auto& text : sent) EXPECT_EQ(post_text(*a, *a->find("b"), 0, text), post_outcome::queued);
  ASSERT_TRUE(b.seen->wait("a", [&](const auto& h) { return h.records == sent.size(); }));
  EXPECT_EQ(got, sent);
}

TEST(Transport, SaysNotConnectedBeforeAndAfter) {
  test_node a(options_for("a", {member("b", "127.0.0.1:1")}));
  const peer_id to_b = *a->find("b");
  EXPECT_EQ(post_text(*a, to_b, 1, "x"), post_outcome::not_connected);
  const auto problem = a.seen->wait_problem("b", "connection refused");
  EXPECT_EQ(problem, "cannot reach node b at 127.0.0.1:1: connection refused; is it running?");
  a.stop();
  EXPECT_EQ(post_text(*a, to_b, 1, "x"), post_outcome::not_connected);
  EXPECT_EQ(a.seen->problems().size(), 1u) << "one report for many attempts";
}

TEST(TransportStop, OfADialerIsSeenAsLeavingAtOnce) {
  test_pair pair([](node_options& o) { o.timing.down_after = std::chrono::hours(1); });
  pair.a->stop();
  ASSERT_TRUE(pair.b->seen->wait_down("a"));
  EXPECT_EQ(pair.b->seen->of("a").downs.front(), "node a left: it was stopped");
  EXPECT_FALSE(pair.a->seen->of("b").connected);
  EXPECT_TRUE(pair.a->seen->of("b").downs.empty()) << "not because we stop ourselves";
}

TEST(TransportStop, OfAnAcceptorIsSeenAsLeavingAtOnce) {
  test_pair pair([](node_options& o) { o.timing.down_after = std::chrono::hours(1); });
  pair.b->stop();
  ASSERT_TRUE(pair.a->seen->wait_down("b"));
  EXPECT_EQ(pair.a->seen->of("b").downs.front(), "node b left: it was stopped");
  EXPECT_FALSE(pair.b->seen->of("a").connected);
}

TEST(TransportStop, SendsWhatIsQueued) {
  for (const bool dialer_leaves : {true, false}) {
    test_pair pair;
    auto& leaver = dialer_leaves ? pair.a : pair.b;
    auto& stays = dialer_leaves ? pair.b : pair.a;
    const std::string text(1000, 'x');
    for (std::uint64_t i = 0; i < 20'000; ++i)
      ASSERT_EQ(post_text(**leaver, dialer_leaves ? pair.to_b : pair.to_a, i, text), post_outcome::queued);
    leaver->stop();
    const std::string name = (*leaver)->own_name();
    ASSERT_TRUE(stays->seen->wait_down(name));
    EXPECT_EQ(stays->seen->of(name).records, 20'000u);
  }
}

TEST(TransportStop, IsSafeFromSeveralThreadsAndOnBothSidesAtOnce) {
  test_pair pair;
  std::vector<std::jthread> stoppers;
  for (int i = 0; i < 3; ++i) {
    stoppers.emplace_back([&] { pair.a->stop(); });
    stoppers.emplace_back([&] { pair.b->stop(); });
  }
  stoppers.clear();
  EXPECT_FALSE(pair.a->seen->of("b").connected);
  EXPECT_FALSE(pair.b->seen->of("a").connected);
}

TEST(TransportStop, IsSafeWhileDialing) {
  for (int i = 0; i < 20; ++i) {
    test_node b(options_for("b", {dialer("a")}));
    test_node a(options_for("a", {at("b", *b), member("c", "127.0.0.1:1")}));
    if (i % 2 == 0) a.stop();
  }
}

TEST(TransportStop, WhileFloodingDropsOrDeliversEveryRecordThatWasQueued) {
  std::uint64_t queued = 0;
  std::vector<std::uint64_t> dropped;
  std::size_t in_doubt = 0;
  test_node b(options_for("b", {dialer("a")}));
  test_node a(options_for("a", {at("b", *b)}));
  a.seen->on_dropped = [&](const dropped_records& d) {
    for (const auto& r : d.records) dropped.push_back(r.header.target);
    in_doubt = d.in_doubt;
  };
  ASSERT_TRUE(a.seen->wait_connected("b"));
  std::jthread flood([&] {
    while (post_text(*a, *a->find("b"), queued, std::string(500, 'x')) == post_outcome::queued) ++queued;
  });
  ASSERT_TRUE(b.seen->wait("a", [](const auto& h) { return h.records > 1000; }));
  a->stop(steady_clock::now());  // no time to flush
  flood.join();
  b.stop();
  for (std::size_t i = 0; i < dropped.size(); ++i) ASSERT_EQ(dropped[i], queued - dropped.size() + i);
  EXPECT_LE(b.seen->of("a").records, queued - dropped.size() + in_doubt);
}

TEST(Transport, ReportsALostPeerDownAfterAWhileAndUpWhenItReturns) {
  test_pair pair;
  const auto before = pair.b->seen->of("a");
  const auto first_life = pair.a->options;
  pair.a->up.reset();  // no Goodbye
  ASSERT_TRUE(pair.b->seen->wait_down("a"));
  const auto after = pair.b->seen->of("a");
  EXPECT_EQ(after.disconnects.size(), 1u);
  EXPECT_EQ(after.downs.front(), "node a could not be reached for 200 ms");
  EXPECT_EQ(post_text(**pair.b, pair.to_a, 1, "x"), post_outcome::not_connected);

  test_node again(first_life);
  ASSERT_TRUE(pair.b->seen->wait_connected("a", 2));
  EXPECT_NE(pair.b->seen->of("a").incarnations[1], before.incarnations[0]);
  EXPECT_EQ(pair.b->seen->of("a").downs.size(), 1u);
}

TEST(Transport, DialsForEverAndReportsARestartedPeerDownBeforeUp) {
  test_pair pair([](node_options& o) { o.timing.down_after = std::chrono::hours(1); });
  const auto first_life = pair.b->options;
  pair.b->up.reset();
  ASSERT_TRUE(pair.a->seen->wait("b", [](const auto& h) { return h.disconnects.size() == 1; }));
  EXPECT_TRUE(pair.a->seen->of("b").downs.empty());
  ASSERT_TRUE(pair.a->seen->wait_problem("b", "connection refused"));
  test_node again(first_life);
  ASSERT_TRUE(pair.a->seen->wait_connected("b", 2));
  EXPECT_EQ(pair.a->seen->of("b").downs, std::vector<std::string>{"node b was restarted"});
}

TEST(TransportStart, NamesAPortInUse) {
  test_node first(options_for("a", {}));
  recorder seen;
  auto options = options_for("b", {});
  options.listen_address = first.options.listen_address;
  const auto second = transport::start(options, seen);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), errc::already_exists);
  EXPECT_EQ(second.error().message(), "cannot listen on " + options.listen_address +
                                          ": the port is in use; stop the process that has it or choose another "
                                          "listen_address");
}

TEST(TransportStart, RefusesOptionsThatMakeNoSense) {
  const std::vector<std::pair<std::string, std::function<void(node_options&)>>> cases{
      {"is not a node name", [](auto& o) { o.name = "A b"; }},
      {"is not an address", [](auto& o) { o.listen_address = "7000"; }},
      {"listed twice", [](auto& o) { o.members = {dialer("x"), dialer("x")}; }},
      {"port 0", [](auto& o) { o.members = {member("x", "host:0")}; }},
      {"0 of the 3 TLS files", [](auto& o) { o.insecure_plaintext = false; }},
      {"choose one", [](auto& o) { o.tls.ca = "ca.crt"; }},
      {"receive_window_bytes is 1", [](auto& o) { o.limits.receive_window_bytes = 1; }},
      {"positive and at most a day", [](auto& o) { o.timing.down_after = {}; }},
      {"must not exceed", [](auto& o) { o.timing.backoff_initial = std::chrono::hours(1); }},
      {"does not have that address", [](auto& o) { o.listen_address = "192.0.2.1:7000"; }},
  };
  for (const auto& [text, spoil] : cases) {
    recorder seen;
    auto options = options_for("a", {});
    spoil(options);
    const auto started = transport::start(options, seen);
    ASSERT_FALSE(started.has_value()) << text;
    EXPECT_NE(started.error().message().find(text), std::string::npos) << started.error().message();
  }
}

}  // namespace
}  // namespace tandem::cluster::internal
