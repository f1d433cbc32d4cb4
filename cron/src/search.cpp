// Finding the next moment of an expression: stretch by stretch of constant offset, and by civil time within one.
#include <algorithm>
#include <bit>

#include <tandem/cron/expression.hpp>

namespace tandem {
namespace {

using namespace std::chrono;

// Leap days on given weekdays may be 40 years apart, across 2100.
constexpr years horizon(50);
constexpr sys_seconds end_of_time = floor<seconds>(wall_time::max()) - hours(48);
constexpr sys_seconds begin_of_time = ceil<seconds>(wall_time::min()) + hours(48);

}  // namespace

bool cron_expression::has_day(local_days day) const {
  const year_month_day date(day);
  if (!(months_ >> static_cast<unsigned>(date.month()) & 1)) return false;
  const bool by_date = days_ >> static_cast<unsigned>(date.day()) & 1;
  const bool by_weekday = weekdays_ >> weekday(day).c_encoding() & 1;
  return any_day_ || any_weekday_ ? by_date && by_weekday : by_date || by_weekday;
}

// The first match in [from, limit).
std::optional<cron_expression::local_minutes> cron_expression::match(local_minutes from, local_minutes limit) const {
  while (from < limit) {
    const local_days day = floor<days>(from);
    if (!has_day(day)) {
      from = day + days(1);
      continue;
    }
    const auto of_day = static_cast<unsigned>((from - day).count());
    unsigned hour = of_day / 60;
    std::uint64_t left = minutes_ >> of_day % 60 << of_day % 60;
    if (!(hours_ >> hour & 1) || left == 0) {
      const std::uint32_t later = hours_ >> (hour + 1);
      if (later == 0) {
        from = day + days(1);
        continue;
      }
      hour += 1 + static_cast<unsigned>(std::countr_zero(later));
      left = minutes_;
    }
    const local_minutes found = day + hours(hour) + minutes(std::countr_zero(left));
    return found < limit ? std::optional(found) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<wall_time> cron_expression::next(wall_time from, const time_zone& zone) const {
  const sys_seconds after = std::clamp(floor<seconds>(from), begin_of_time, end_of_time);
  const sys_seconds limit = std::min(end_of_time, sys_seconds(sys_days(floor<days>(after)) + horizon));
  const auto local = [](sys_seconds t, seconds offset) { return local_seconds(t.time_since_epoch() + offset); };
  const auto sys = [](local_minutes t, seconds offset) { return sys_seconds(t.time_since_epoch() - offset); };
  // A moment that comes once a day and that a change of the clocks affects.
  const bool once_a_day = !follows_clock_;

  for (time_zone::period p = zone.period_at(after);; p = zone.period_at(p.end)) {
    const seconds jump = p.offset - p.offset_before;
    const bool starts_here = p.begin > after;  // else its beginning has been dealt with
    if (once_a_day && starts_here && jump > seconds(0) &&
        match(ceil<minutes>(local(p.begin, p.offset_before)), ceil<minutes>(local(p.begin, p.offset))))
      return p.begin;
    local_minutes first = ceil<minutes>(local(std::max(starts_here ? p.begin : after + seconds(1), after), p.offset));
    // What the clock shows a second time was there before, unless that was before all changes.
    if (once_a_day && jump < seconds(0)) first = std::max(first, ceil<minutes>(local(p.begin, p.offset_before)));
    const sys_seconds end = std::min(p.end, limit);
    if (const auto found = match(first, ceil<minutes>(local(end, p.offset)))) return sys(*found, p.offset);
    if (p.end >= limit) return std::nullopt;
  }
}

}  // namespace tandem
