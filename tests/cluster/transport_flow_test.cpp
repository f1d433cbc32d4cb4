// Batching and flow control.
#include "transport.hpp"

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "recorder.hpp"

namespace tandem::cluster::internal {
namespace {

constexpr std::uint64_t window = 64 << 10;

void small_window(node_options& options) { options.limits.receive_window_bytes = window; }

TEST(TransportFlow, FloodOfPaidRecordsArrivesCompleteAndInOrder) {
  constexpr std::uint64_t count = 200'000;
  std::uint64_t next = 0;
  test_node b(options_for("b", {dialer("a")}));
  b.seen->on_record = [&](peer_id from, std::uint64_t epoch, const record_view& r) {
    EXPECT_EQ(r.header.target, next++);
    b->release(from, epoch, r.wire_bytes());
  };
  test_node a(options_for("a", {at("b", *b)}));
  ASSERT_TRUE(a.seen->wait_connected("b"));
  const std::string text(64, 'x');
  for (std::uint64_t i = 0; i < count;) {
    const auto credits = a.seen->of("b").credits;
    const auto posted = post_text(*a, *a->find("b"), i, text, true);
    if (posted == post_outcome::queued) {
      ++i;
    } else {
      ASSERT_EQ(posted, post_outcome::no_credit);
      ASSERT_TRUE(a.seen->wait("b", [&](const auto& h) { return h.credits > credits; }));
    }
  }
  ASSERT_TRUE(b.seen->wait("a", [](const auto& h) { return h.records == count; }));
  EXPECT_EQ(next, count);
}

TEST(TransportFlow, PostersOnSeveralThreadsKeepTheirOwnOrder) {
  constexpr std::uint64_t count = 20'000, threads = 4;
  std::array<std::uint64_t, threads> next{};
  test_node b(options_for("b", {dialer("a")}));
  b.seen->on_record = [&](peer_id, std::uint64_t, const record_view& r) {
    EXPECT_EQ(r.header.target % count, next[r.header.target / count]++);
  };
  test_node a(options_for("a", {at("b", *b)}));
  ASSERT_TRUE(a.seen->wait_connected("b"));
  {
    std::vector<std::jthread> posters;
    for (std::uint64_t t = 0; t < threads; ++t)
      posters.emplace_back([&, t] {
        for (std::uint64_t i = 0; i < count; ++i)
          EXPECT_EQ(post_text(*a, *a->find("b"), t * count + i, "x"), post_outcome::queued);
      });
  }
  EXPECT_TRUE(b.seen->wait("a", [](const auto& h) { return h.records == count * threads; }));
}

TEST(TransportFlow, UnreleasedRecordsStopTheSenderAndReleasesStartItAgain) {
  test_pair pair(small_window);
  const std::string text(968, 'x');  // 1000 with its header
  std::uint64_t sent = 0;
  while (post_text(**pair.a, pair.to_b, 0, text, true) == post_outcome::queued) ++sent;
  EXPECT_EQ(sent, window / 1000);
  EXPECT_EQ(post_text(**pair.a, pair.to_b, 0, text, true), post_outcome::no_credit);
  EXPECT_EQ(post_text(**pair.a, pair.to_b, 0, text), post_outcome::queued) << "free records need no credit";
  ASSERT_TRUE(pair.b->seen->wait("a", [&](const auto& h) { return h.records == sent + 1; }));
  EXPECT_EQ(pair.a->seen->of("b").credits, 0u);

  const auto epoch = pair.b->seen->of("a").epochs.back();
  (*pair.b)->release(pair.to_a, epoch + 1, sent * 1000);  // of another connection: ignored
  (*pair.b)->release(pair.to_a, epoch, sent * 1000);
  ASSERT_TRUE(pair.a->seen->wait("b", [](const auto& h) { return h.credits == 1; }));
  EXPECT_EQ(post_text(**pair.a, pair.to_b, 0, text, true), post_outcome::queued);
}

TEST(TransportFlow, AReleaseTooSmallForAFrameStillReachesAWaitingSender) {
  test_pair pair(small_window);
  const std::string text(968, 'x');
  std::uint64_t sent = 0;
  while (post_text(**pair.a, pair.to_b, 0, text, true) == post_outcome::queued) ++sent;
  ASSERT_TRUE(pair.b->seen->wait("a", [&](const auto& h) { return h.records == sent; }));
  (*pair.b)->release(pair.to_a, pair.b->seen->of("a").epochs.back(), 1000);
  ASSERT_TRUE(pair.a->seen->wait("b", [](const auto& h) { return h.credits == 1; }));
  EXPECT_EQ(post_text(**pair.a, pair.to_b, 0, text, true), post_outcome::queued);
  EXPECT_EQ(post_text(**pair.a, pair.to_b, 0, text, true), post_outcome::no_credit);
}

TEST(TransportFlow, ARecordLargerThanTheWindowPassesWhenNothingIsOutstanding) {
  test_pair pair(small_window);
  const std::string big(1'000'000, 'x');
  EXPECT_EQ(post_text(**pair.a, pair.to_b, 0, "small", true), post_outcome::queued);
  EXPECT_EQ(post_text(**pair.a, pair.to_b, 0, big, true), post_outcome::no_credit);
  ASSERT_TRUE(pair.b->seen->wait("a", [](const auto& h) { return h.records == 1; }));
  (*pair.b)->release(pair.to_a, pair.b->seen->of("a").epochs.back(), record_header_bytes + 5);
  ASSERT_TRUE(pair.a->seen->wait("b", [](const auto& h) { return h.credits == 1; }));
  EXPECT_EQ(post_text(**pair.a, pair.to_b, 0, big, true), post_outcome::queued);
  EXPECT_EQ(post_text(**pair.a, pair.to_b, 0, "", true), post_outcome::no_credit);
  EXPECT_TRUE(pair.b->seen->wait("a", [](const auto& h) { return h.records == 2; }));
}

TEST(TransportFlow, ARecordAboveTheSmallerOfBothLimitsIsRefused) {
  test_pair pair([](node_options& o) {
    if (o.name == "b") o.limits.max_record_bytes = 10'000;
  });
  EXPECT_EQ(post_text(**pair.a, pair.to_b, 0, std::string(9'968, 'x')), post_outcome::queued);
  const auto refused = post_text(**pair.a, pair.to_b, 0, std::string(9'969, 'x'));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), errc::out_of_range);
  EXPECT_TRUE(pair.b->seen->wait("a", [](const auto& h) { return h.records == 1; }));
}

TEST(TransportFlow, AFillThatThrowsQueuesNothingAndCostsNoCredit) {
  test_pair pair(small_window);
  for (const std::size_t size : {std::size_t{50'000}, std::size_t{1000}}) {
    for (int i = 0; i < 5; ++i)
      EXPECT_THROW((void)(*pair.a)->post(
                       pair.to_b, {}, size, [](std::span<std::byte>) { throw std::runtime_error("no"); }, true),
                   std::runtime_error);
  }
  EXPECT_EQ(post_text(**pair.a, pair.to_b, 0, std::string(window - record_header_bytes, 'x'), true),
            post_outcome::queued);
  EXPECT_TRUE(pair.b->seen->wait("a", [](const auto& h) { return h.records == 1; }));
}

TEST(TransportFlow, CreditStartsAnewWithEachConnection) {
  test_pair pair(small_window);
  const std::string text(968, 'x');
  while (post_text(**pair.a, pair.to_b, 0, text, true) == post_outcome::queued) {
  }
  const auto options = pair.b->options;
  pair.b->up.reset();
  test_node again(options);
  ASSERT_TRUE(pair.a->seen->wait_connected("b", 2));
  std::uint64_t sent = 0;
  while (post_text(**pair.a, pair.to_b, 0, text, true) == post_outcome::queued) ++sent;
  EXPECT_EQ(sent, window / 1000);
}

}  // namespace
}  // namespace tandem::cluster::internal
