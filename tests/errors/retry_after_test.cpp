#include <tandem/errors/retry_after.hpp>

#include <chrono>
#include <optional>

#include <gtest/gtest.h>
#include <tandem/errors/error.hpp>

namespace tandem {
namespace {

using namespace std::chrono_literals;

TEST(RetryAfter, IsFoundUnderWhatWasWrappedAroundIt) {
  const error refused = with_retry_after(make_error(errc::overloaded, "busy"), 250ms);
  EXPECT_EQ(retry_after_of(refused), 250ms);
  EXPECT_EQ(retry_after_of(wrap(refused, errc::unavailable, "asking a")), 250ms);
  EXPECT_EQ(refused.message(), "busy");
}

TEST(RetryAfter, OfTheOutermostLayerThatSaysSo) {
  const error inner = with_retry_after(make_error(errc::overloaded, "busy"), 250ms);
  EXPECT_EQ(retry_after_of(with_retry_after(wrap(inner, "asking a"), 2s)), 2s);
}

TEST(RetryAfter, OfJoinedCausesIsTheLongest) {
  const error a = with_retry_after(make_error(errc::overloaded, "a"), 20ms);
  const error b = with_retry_after(make_error(errc::overloaded, "b"), 10ms);
  EXPECT_EQ(retry_after_of(join(a, b)), 20ms);
  EXPECT_EQ(retry_after_of(join(a, make_error(errc::unavailable, "c"))), 20ms);
}

TEST(RetryAfter, IsRoundedUpToWholeMilliseconds) {
  EXPECT_EQ(retry_after_of(with_retry_after(make_error(errc::overloaded, "busy"), 1ns)), 1ms);
  EXPECT_EQ(retry_after_of(with_retry_after(make_error(errc::overloaded, "busy"), -5s)), 0ms);
}

TEST(RetryAfter, IsNoneWhereNobodySaidOneAndNoErrorStaysNoError) {
  EXPECT_EQ(retry_after_of(make_error(errc::overloaded, "busy")), std::nullopt);
  EXPECT_EQ(retry_after_of(error()), std::nullopt);
  EXPECT_FALSE(with_retry_after(error(), 1s));
}

TEST(RetryAfter, DoesNotBelieveNonsense) {
  const auto said = [](const char* text) { return retry_after_of(with(make_error(errc::overloaded, "x"), "retry_after_ms", text)); };
  EXPECT_EQ(said(""), std::nullopt);
  EXPECT_EQ(said("soon"), std::nullopt);
  EXPECT_EQ(said("12 "), std::nullopt);
  EXPECT_EQ(said("-1"), std::nullopt);
  EXPECT_EQ(said("99999999999"), 24h);
  EXPECT_EQ(said("999999999999999999999999"), 24h);
}

}  // namespace
}  // namespace tandem
