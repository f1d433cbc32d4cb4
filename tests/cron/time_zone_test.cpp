#include <tandem/cron/time_zone.hpp>

#include <gtest/gtest.h>

namespace tandem {
namespace {

using namespace std::chrono;
using namespace std::chrono_literals;

TEST(TimeZone, KnowsWhenTheClocksChange) {
  const time_zone berlin = time_zone::find("Europe/Berlin").value();
  const time_zone::period summer = berlin.period_at(sys_days(year(2024) / 7 / 1));
  EXPECT_EQ(summer.begin, sys_days(year(2024) / 3 / 31) + 1h);
  EXPECT_EQ(summer.end, sys_days(year(2024) / 10 / 27) + 1h);
  EXPECT_EQ(summer.offset, 2h);
  EXPECT_EQ(summer.offset_before, 1h);
  EXPECT_EQ(berlin.period_at(summer.begin).begin, summer.begin);
  EXPECT_EQ(berlin.period_at(summer.begin - 1s).end, summer.begin);
  EXPECT_EQ(berlin.period_at(summer.end).offset, 1h);
  EXPECT_EQ(berlin.name(), "Europe/Berlin");
}

TEST(TimeZone, UtcNeverChanges) {
  const time_zone::period all = time_zone::utc().period_at(sys_days(year(2024) / 7 / 1));
  EXPECT_EQ(all.begin, sys_seconds::min());
  EXPECT_EQ(all.end, sys_seconds::max());
  EXPECT_EQ(all.offset, 0s);
}

TEST(TimeZone, AnUnknownNameIsNotFound) {
  for (const char* const name : {"", "Europe/Bärlin", "Mars/Olympus", "../../../etc/passwd", "/etc/localtime",
                                 ":Europe/Berlin"}) {
    const auto found = time_zone::find(name);
    ASSERT_FALSE(found.has_value()) << name;
    EXPECT_EQ(found.error().code(), errc::not_found);
  }
}

}  // namespace
}  // namespace tandem
