#include "credit.hpp"

#include <deque>
#include <random>

#include <gtest/gtest.h>

namespace tandem::cluster::internal {
namespace {

TEST(SendCredit, EndsAtTheWindowAndComesBack) {
  send_credit credit(100);
  EXPECT_TRUE(credit.spend(60));
  EXPECT_TRUE(credit.spend(40));
  EXPECT_FALSE(credit.spend(1));
  EXPECT_TRUE(credit.refund(1));
  EXPECT_TRUE(credit.spend(1));
  EXPECT_FALSE(credit.refund(101));
}

TEST(SendCredit, LetsOneRecordAboveTheWindowPassWhenNothingIsOutstanding) {
  send_credit credit(100);
  EXPECT_TRUE(credit.spend(1));
  EXPECT_FALSE(credit.spend(1000));
  EXPECT_TRUE(credit.refund(1));
  EXPECT_TRUE(credit.spend(1000));
  EXPECT_FALSE(credit.spend(1));
  EXPECT_TRUE(credit.refund(1000));
}

TEST(ReceiveCredit, GrantsOnlyWhatWasReceivedAndReleased) {
  receive_credit credit(100);
  EXPECT_TRUE(credit.receive(50));
  credit.release(20);
  EXPECT_FALSE(credit.worth_a_frame());
  credit.release(1'000'000);
  EXPECT_TRUE(credit.worth_a_frame());
  EXPECT_EQ(credit.take_grant(), 50u);
  EXPECT_FALSE(credit.anything());
}

// (C2): a sender that keeps to its credit is never accused, whatever is under way between the two.
TEST(Credit, OfAHonestSenderIsNeverOverdrawn) {
  std::mt19937 random(42);
  for (int run = 0; run < 50; ++run) {
    send_credit sender(1000);
    receive_credit receiver(1000);
    std::deque<std::uint64_t> records, grants, consumed;
    for (int step = 0; step < 2'000; ++step) {
      switch (random() % 4) {
        case 0:
          if (const std::uint64_t bytes = 1 + random() % (random() % 20 == 0 ? 3000 : 300); sender.spend(bytes))
            records.push_back(bytes);
          break;
        case 1:
          if (records.empty()) break;
          ASSERT_TRUE(receiver.receive(records.front()));
          consumed.push_back(records.front());
          records.pop_front();
          break;
        case 2:
          if (consumed.empty()) break;
          receiver.release(consumed.front());
          consumed.pop_front();
          if (receiver.worth_a_frame()) grants.push_back(receiver.take_grant());
          break;
        default:
          if (grants.empty()) break;
          ASSERT_TRUE(sender.refund(grants.front()));
          grants.pop_front();
      }
    }
  }
}

}  // namespace
}  // namespace tandem::cluster::internal
