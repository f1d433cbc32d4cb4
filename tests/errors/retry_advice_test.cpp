#include <tandem/errors/retry_advice.hpp>

#include <map>
#include <sstream>

#include <errors/every_errc.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <tandem/errors/format.hpp>

namespace tandem {
namespace {

TEST(RetryAdvice, IsWhatTheTableSaysForEveryCode) {
  const std::map<errc, retry> table = {
      {errc::cancelled, retry::never},
      {errc::unknown, retry::never},
      {errc::invalid_argument, retry::fix_request},
      {errc::deadline_exceeded, retry::never},
      {errc::not_found, retry::fix_request},
      {errc::already_exists, retry::fix_request},
      {errc::permission_denied, retry::never},
      {errc::resource_exhausted, retry::after_backoff},
      {errc::failed_precondition, retry::fix_request},
      {errc::aborted, retry::now},
      {errc::out_of_range, retry::never},
      {errc::unimplemented, retry::never},
      {errc::internal, retry::never},
      {errc::unavailable, retry::after_backoff},
      {errc::data_loss, retry::never},
      {errc::unauthenticated, retry::fix_request},
      {errc::closed, retry::never},
      {errc::would_block, retry::after_backoff},
      {errc::timed_out, retry::after_backoff},
      {errc::overloaded, retry::after_backoff},
      {errc::circuit_open, retry::after_backoff},
  };
  for (errc code : testing::every_errc) {
    ASSERT_TRUE(table.contains(code)) << code;
    EXPECT_EQ(retry_advice(code), table.at(code)) << code;
  }
}

TEST(RetryAdvice, IsNeverForCodesOutsideTheSet) { EXPECT_EQ(retry_advice(static_cast<errc>(77)), retry::never); }

TEST(RetryAdvice, OfAnErrorIsThatOfItsOutermostCode) {
  const error root = make_error(errc::unavailable, "down");
  EXPECT_EQ(retry_advice(wrap(root, "cannot greet")), retry::after_backoff);
  EXPECT_EQ(retry_advice(wrap(root, errc::internal, "must not happen")), retry::never);
}

TEST(RetryAdvice, LeavesNothingToRetryWithoutAnError) { EXPECT_EQ(retry_advice(error()), retry::never); }

TEST(RetryAdvice, PrintsItsName) {
  std::ostringstream out;
  out << retry::now << ' ' << retry::fix_request;
  EXPECT_EQ(out.str(), "now fix_request");
  EXPECT_EQ(fmt::format("{} {}", retry::after_backoff, retry::never), "after_backoff never");
  EXPECT_EQ(to_string(static_cast<retry>(9)), "never");
}

}  // namespace
}  // namespace tandem
