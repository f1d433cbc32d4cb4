// Crontab expressions of five fields: "*/5 9-17 * * MON-FRI".
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include <tandem/cron/time_zone.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/wall_clock.hpp>

namespace tandem {

/// When something is to happen, in the words of crontab(5).
///
/// | field        | values                   |
/// |--------------|--------------------------|
/// | minute       | 0-59                     |
/// | hour         | 0-23                     |
/// | day of month | 1-31                     |
/// | month        | 1-12, JAN-DEC            |
/// | day of week  | 0-7 (0 and 7 are Sunday), SUN-SAT |
///
/// A field is a list, `a,b,c`, of `*`, values and ranges `a-b`; `*` and ranges may have a step: `*/5`, `8-18/2`.
/// Letters may be of either case. Instead of fields: `@yearly` or `@annually`, `@monthly`, `@weekly`, `@daily` or
/// `@midnight`, `@hourly`.
///
/// Days:    if both day fields are restricted, a day that matches either of them will do ("0 0 13 * FRI" is each 13th
///          and each Friday). A field that begins with `*` is not restricted; then a day must match both.
/// Changes: when the clocks change, an expression whose minute or hour begins with `*` follows the clock on the wall:
///          what it shows twice, matches twice, and what it skips does not match. Any other names moments of the day,
///          each of which comes once a day: one that is skipped comes right after the gap, one that the clock shows
///          twice comes the first time. So "30 2 * * *" runs every day of the year, and "*/10 * * * *" every ten
///          minutes.
class cron_expression {
 public:
  /// Errors: errc::invalid_argument, saying which field is wrong and what to write; also for an expression that matches
  ///         no day at all, as 30 February.
  [[nodiscard]] static result<cron_expression> parse(std::string_view text);

  /// The first matching moment after `from` in `zone`; nothing if there is none in the next 50 years (or before 2262,
  /// where wall_time ends).
  [[nodiscard]] std::optional<wall_time> next(wall_time from, const time_zone& zone) const;

  bool operator==(const cron_expression&) const = default;

 private:
  friend class cron_parser;
  cron_expression() = default;

  using local_minutes = std::chrono::local_time<std::chrono::minutes>;
  [[nodiscard]] std::optional<local_minutes> match(local_minutes from, local_minutes limit) const;
  [[nodiscard]] bool has_day(std::chrono::local_days day) const;

  // A bit for each value.
  std::uint64_t minutes_ = 0;
  std::uint32_t hours_ = 0;
  std::uint32_t days_ = 0;
  std::uint32_t months_ = 0;
  std::uint32_t weekdays_ = 0;    // 0 is Sunday
  bool any_day_ = false;          // the day of month begins with *
  bool any_weekday_ = false;
  bool follows_clock_ = false;    // the minute or the hour begins with *
};

}  // namespace tandem
