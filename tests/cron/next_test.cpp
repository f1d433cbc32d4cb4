#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/cron/expression.hpp>

namespace tandem {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

wall_time utc(int y, unsigned month, unsigned day, int h = 0, int m = 0, int s = 0) {
  return sys_days(year(y) / month / day) + hours(h) + minutes(m) + seconds(s);
}

// The first `n` moments after `from`.
std::vector<wall_time> moments(std::string_view text, const char* zone, wall_time from, int n) {
  const cron_expression e = cron_expression::parse(text).value();
  const time_zone z = time_zone::find(zone).value();
  std::vector<wall_time> out;
  for (int i = 0; i < n; ++i) {
    const auto next = e.next(from, z);
    if (!next) break;
    out.push_back(*next);
    from = *next;
  }
  return out;
}

using times = std::vector<wall_time>;

TEST(CronNext, IsStrictlyAfterAndOnTheMinute) {
  EXPECT_EQ(moments("* * * * *", "UTC", utc(2024, 1, 1), 2), (times{utc(2024, 1, 1, 0, 1), utc(2024, 1, 1, 0, 2)}));
  EXPECT_EQ(moments("* * * * *", "UTC", utc(2024, 1, 1) - 1ns, 1), (times{utc(2024, 1, 1)}));
  EXPECT_EQ(moments("0 0 1 1 *", "UTC", utc(2024, 1, 1) + 1ns, 1), (times{utc(2025, 1, 1)}));
}

TEST(CronNext, OfficeHoursOfWeekdays) {
  // 2024-03-01 is a Friday.
  EXPECT_EQ(moments("*/30 9-10 * * MON-FRI", "UTC", utc(2024, 3, 1, 9, 40), 4),
            (times{utc(2024, 3, 1, 10), utc(2024, 3, 1, 10, 30), utc(2024, 3, 4, 9), utc(2024, 3, 4, 9, 30)}));
}

TEST(CronNext, ADayMatchesEitherRestrictedDayField) {
  // 2024-09-13 is a Friday, and so are the 6th and the 20th.
  EXPECT_EQ(moments("0 0 13 * FRI", "UTC", utc(2024, 9, 1), 3),
            (times{utc(2024, 9, 6), utc(2024, 9, 13), utc(2024, 9, 20)}));
  EXPECT_EQ(moments("0 0 13 * *", "UTC", utc(2024, 9, 1), 2), (times{utc(2024, 9, 13), utc(2024, 10, 13)}));
  EXPECT_EQ(moments("0 0 * * FRI", "UTC", utc(2024, 9, 1), 1), (times{utc(2024, 9, 6)}));
  // A field that begins with * is no restriction but its step counts: odd days that are Mondays.
  EXPECT_EQ(moments("0 0 */2 * MON", "UTC", utc(2024, 9, 1), 2), (times{utc(2024, 9, 9), utc(2024, 9, 23)}));
}

TEST(CronNext, RareDaysAreFound) {
  EXPECT_EQ(moments("0 12 29 2 *", "UTC", utc(2024, 3, 1), 1), (times{utc(2028, 2, 29, 12)}));
  EXPECT_EQ(moments("0 0 29 2 *", "UTC", utc(2096, 3, 1), 1), (times{utc(2104, 2, 29)}));  // 2100 is no leap year
  EXPECT_EQ(moments("0 0 31 * *", "UTC", utc(2024, 2, 1), 3),
            (times{utc(2024, 3, 31), utc(2024, 5, 31), utc(2024, 7, 31)}));
}

TEST(CronNext, FollowsTheZone) {
  EXPECT_EQ(moments("0 9 * * *", "Europe/Berlin", utc(2024, 1, 1), 1), (times{utc(2024, 1, 1, 8)}));
  EXPECT_EQ(moments("0 9 * * *", "Europe/Berlin", utc(2024, 7, 1), 1), (times{utc(2024, 7, 1, 7)}));
  EXPECT_EQ(moments("0 9 * * *", "Asia/Kathmandu", utc(2024, 7, 1), 1), (times{utc(2024, 7, 1, 3, 15)}));
  EXPECT_EQ(moments("0 9 * * *", "America/New_York", utc(2050, 7, 1), 1), (times{utc(2050, 7, 1, 13)}));  // past 2037
}

// Berlin: 2024-03-31 02:00 becomes 03:00 (01:00 UTC), 2024-10-27 03:00 becomes 02:00 (01:00 UTC).
TEST(CronNext, AMomentThatIsSkippedComesRightAfterTheGap) {
  EXPECT_EQ(moments("30 2 * * *", "Europe/Berlin", utc(2024, 3, 30), 3),
            (times{utc(2024, 3, 30, 1, 30), utc(2024, 3, 31, 1), utc(2024, 4, 1, 0, 30)}));
  // Two that are skipped, and one right after the gap, come once together.
  EXPECT_EQ(moments("0,30 2,3 * * *", "Europe/Berlin", utc(2024, 3, 31), 3),
            (times{utc(2024, 3, 31, 1), utc(2024, 3, 31, 1, 30), utc(2024, 4, 1, 0)}));
  // Asked from inside of the minute after the gap, it has been.
  EXPECT_EQ(moments("30 2 * * *", "Europe/Berlin", utc(2024, 3, 31, 1), 1), (times{utc(2024, 4, 1, 0, 30)}));
}

TEST(CronNext, AMomentThatTheClockShowsTwiceComesOnce) {
  EXPECT_EQ(moments("30 2 * * *", "Europe/Berlin", utc(2024, 10, 26, 12), 2),
            (times{utc(2024, 10, 27, 0, 30), utc(2024, 10, 28, 1, 30)}));
  EXPECT_EQ(moments("30 2,3 * * *", "Europe/Berlin", utc(2024, 10, 27, 0, 30), 1), (times{utc(2024, 10, 27, 2, 30)}));
}

TEST(CronNext, AWildcardFollowsTheClockOnTheWall) {
  EXPECT_EQ(moments("*/30 * * * *", "Europe/Berlin", utc(2024, 3, 31, 0, 30), 3),
            (times{utc(2024, 3, 31, 1), utc(2024, 3, 31, 1, 30), utc(2024, 3, 31, 2)}));
  EXPECT_EQ(moments("*/30 2 * * *", "Europe/Berlin", utc(2024, 3, 31), 1), (times{utc(2024, 4, 1)}));
  EXPECT_EQ(moments("*/30 2 * * *", "Europe/Berlin", utc(2024, 10, 27), 5),
            (times{utc(2024, 10, 27, 0, 30), utc(2024, 10, 27, 1), utc(2024, 10, 27, 1, 30), utc(2024, 10, 28, 1),
                   utc(2024, 10, 28, 1, 30)}));
}

TEST(CronNext, MidnightsThatDoNotExistComeToo) {
  // Santiago: 2024-09-08 00:00 became 01:00, at 04:00 UTC.
  EXPECT_EQ(moments("@daily", "America/Santiago", utc(2024, 9, 7, 12), 2),
            (times{utc(2024, 9, 8, 4), utc(2024, 9, 9, 3)}));
}

TEST(CronNext, ADayThatWasSkippedAltogether) {
  // Apia went from the end of 2011-12-29 to 2011-12-31, at 10:00 UTC on the 30th.
  EXPECT_EQ(moments("0 12 30 12 *", "Pacific/Apia", utc(2011, 12, 1), 1), (times{utc(2011, 12, 30, 10)}));
}

TEST(CronNext, EndsWhereTimeEnds) {
  const cron_expression yearly = cron_expression::parse("@yearly").value();
  const time_zone zone = time_zone::find("Europe/Berlin").value();
  EXPECT_EQ(yearly.next(wall_time::max(), zone), std::nullopt);
  EXPECT_TRUE(yearly.next(wall_time::min(), zone).has_value());
  EXPECT_TRUE(yearly.next(utc(2200, 5, 5), zone).has_value());
}

// Against the obvious model: look at every minute of some years, in zones with half-hour changes and odd offsets.
TEST(CronNext, AgreesWithLookingAtEveryMinute) {
  for (const char* const name : {"Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca"}) {
    const time_zone zone = time_zone::find(name).value();
    for (const char* const text : {"*/7 * * * *", "* 2 * * *", "*/20 0-3 1-7 * SUN", "0 */5 * 3,4,10,11 *"}) {
      const cron_expression e = cron_expression::parse(text).value();
      wall_time from = utc(2024, 1, 1);
      for (int i = 0; i < 3'000; ++i) {
        const auto next = e.next(from, zone);
        ASSERT_TRUE(next);
        // Nothing matches in between: the next one after each minute on the way is the same.
        const auto minutes_between = floor<minutes>(*next - from).count();
        for (std::int64_t m = 1; m < minutes_between; m += 1 + minutes_between / 8)
          ASSERT_EQ(e.next(from + minutes(m), zone), next) << name << " " << text;
        const auto local = floor<seconds>(*next) + zone.period_at(floor<seconds>(*next)).offset;
        ASSERT_EQ(local, floor<minutes>(local)) << name << " " << text;
        from = *next;
      }
    }
  }
}

}  // namespace
}  // namespace tandem
