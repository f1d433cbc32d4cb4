#include <tandem/cron/expression.hpp>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/errors/format.hpp>

namespace tandem {
namespace {

void same(std::string_view a, std::string_view b) {
  const auto first = cron_expression::parse(a);
  const auto second = cron_expression::parse(b);
  ASSERT_TRUE(first.has_value()) << a;
  ASSERT_TRUE(second.has_value()) << b;
  EXPECT_EQ(*first, *second) << a << " and " << b;
}

TEST(CronExpression, TakesListsRangesStepsAndNames) {
  same("0-10/5 1,2,3 * * *", "0,5,10 1-3 * * *");
  same("0 0 1 JAN-MAR,Dec *", "0 0 1 1-3,12 *");
  same("0 0 * * mon-FRI", "0 0 * * 1-5");
  same("0 0 * * 0", "0 0 * * 7");
  same("0 0 * * 5-7", "0 0 * * FRI-SUN");
  same("0 0 * * SUN-SAT", "0 0 * * 0-6");
  same("  0\t0  1 1 *  ", "0 0 1 1 *");
}

TEST(CronExpression, KnowsTheNicknames) {
  same("@hourly", "0 * * * *");
  same("@daily", "0 0 * * *");
  same("@midnight", "0 0 * * *");
  same("@weekly", "0 0 * * 0");
  same("@monthly", "0 0 1 * *");
  same("@yearly", "0 0 1 1 *");
  same(" @Annually ", "0 0 1 1 *");
}

struct refusal {
  const char* text;
  const char* advice;
};

TEST(CronExpression, RefusesWhatItDoesNotUnderstandAndSaysWhatToWrite) {
  for (const refusal r : std::vector<refusal>{
           {"", "has 0 fields; write five"},
           {"* * * *", "has 4 fields"},
           {"0 */5 * * * *", "has 6 fields; write five: minute, hour, day of month, month, day of week (there are no"},
           {"@reboot", "write @hourly, @daily"},
           {"60 * * * *", "minute \"60\": write a number from 0 to 59, a range, or *"},
           {"* 24 * * *", "hour \"24\""},
           {"* * 0 * *", "day of month \"0\": write a number from 1 to 31"},
           {"* * 32 * *", "day of month \"32\""},
           {"* * * 13 *", "month \"13\": write a number from 1 to 12 or JAN-DEC"},
           {"* * * * 8", "day of week \"8\": write a number from 0 to 7 or SUN-SAT"},
           {"* * * * MONDAY", "day of week \"MONDAY\""},
           {"-1 * * * *", "minute \"-1\""},
           {"1- * * * *", "minute \"1-\""},
           {"1-2-3 * * * *", "minute \"1-2-3\""},
           {"1,,2 * * * *", "minute \"\""},
           {"1, * * * *", "minute \"\""},
           {"+1 * * * *", "minute \"+1\""},
           {"99999999999999999999 * * * *", "minute"},
           {"* 22-2 * * *", "runs backwards; write 22-23,0-2"},
           {"5/10 * * * *", "a step needs a range; write 5-59/10"},
           {"*/0 * * * *", "write a step from 1 to 59"},
           {"*/60 * * * *", "write a step from 1 to 59"},
           {"*/x * * * *", "write a step"},
           {"*/ * * * *", "write a step"},
           {"** * * * *", "minute \"**\""},
           {"0 0 30 FEB *", "matches no day"},
           {"0 0 31 4,6,9,11 *", "matches no day"},
       }) {
    const auto parsed = cron_expression::parse(r.text);
    ASSERT_FALSE(parsed.has_value()) << r.text;
    EXPECT_EQ(parsed.error().code(), errc::invalid_argument) << r.text;
    EXPECT_NE(fmt::format("{}", parsed.error()).find(r.advice), std::string::npos)
        << r.text << ": " << fmt::format("{}", parsed.error());
  }
}

// Whatever bytes come, parse() returns: no crash, no hang, and what it takes can be searched.
TEST(CronExpression, SurvivesHostileText) {
  const std::string_view alphabet("*/-, 0159@MONJAN\0\xff", 18);
  std::uint32_t x = 1;
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (std::uint32_t n = (x = x * 1664525 + 1013904223) >> 27; n > 0; --n)
      text += alphabet[((x = x * 1664525 + 1013904223) >> 16) % alphabet.size()];
    if (const auto parsed = cron_expression::parse(text)) (void)parsed->next(wall_time(), time_zone::utc());
  }
}

}  // namespace
}  // namespace tandem
