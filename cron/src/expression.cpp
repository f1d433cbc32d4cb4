#include <tandem/cron/expression.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace tandem {
namespace {

struct field {
  const char* name;
  unsigned first, last;
  std::span<const std::string_view> names;  // of first, first + 1 …
};

constexpr std::array<std::string_view, 12> month_names{"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                       "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::array<std::string_view, 7> weekday_names{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};
constexpr field minute_field{"minute", 0, 59, {}};
constexpr field hour_field{"hour", 0, 23, {}};
constexpr field day_field{"day of month", 1, 31, {}};
constexpr field month_field{"month", 1, 12, month_names};
constexpr field weekday_field{"day of week", 0, 7, weekday_names};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> nicknames{{{"@YEARLY", "0 0 1 1 *"},
                                                                                  {"@ANNUALLY", "0 0 1 1 *"},
                                                                                  {"@MONTHLY", "0 0 1 * *"},
                                                                                  {"@WEEKLY", "0 0 * * 0"},
                                                                                  {"@DAILY", "0 0 * * *"},
                                                                                  {"@MIDNIGHT", "0 0 * * *"},
                                                                                  {"@HOURLY", "0 * * * *"}}};

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find_first_of(separators);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::unexpected<error> wrong(const field& f, std::string_view item, std::string_view advice) {
  return fail(errc::invalid_argument, fmt::format("cron: {} \"{}\": {}", f.name, item, advice));
}

std::optional<unsigned> number(std::string_view text) {
  unsigned value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return value;
}

result<unsigned> value_of(const field& f, std::string_view item, std::string_view text) {
  for (std::size_t i = 0; i < f.names.size(); ++i)
    if (f.names[i] == text) return f.first + static_cast<unsigned>(i);
  const std::optional<unsigned> n = number(text);
  const std::string names =
      f.names.empty() ? std::string() : fmt::format(" or {}-{}", f.names.front(), f.names.back());
  if (!n || *n < f.first || *n > f.last)
    return wrong(f, item, fmt::format("write a number from {} to {}{}, a range, or *", f.first, f.last, names));
  return *n;
}

/// Adds the values of one item of a list: "*", "5", "9-17", "*/10".
result<void> add_item(const field& f, std::string_view item, std::uint64_t& bits) {
  const std::size_t slash = item.find('/');
  const std::string_view values = item.substr(0, slash);
  const std::size_t dash = values.find('-');
  unsigned first = f.first, last = f.last;
  if (values != "*") {
    TANDEM_TRY_ASSIGN(first, value_of(f, item, values.substr(0, dash)));
    last = first;
    if (dash != values.npos) {
      const std::string_view to = values.substr(dash + 1);
      TANDEM_TRY_ASSIGN(last, value_of(f, item, to));
      if (to == "SUN" && first > 0) last = 7;  // FRI-SUN
    }
    if (last < first)
      return wrong(f, item, fmt::format("the range runs backwards; write {}-{},{}-{}", first, f.last, f.first, last));
  }
  unsigned step = 1;
  if (slash != item.npos) {
    if (values != "*" && dash == values.npos)
      return wrong(f, item, fmt::format("a step needs a range; write {}-{}{}", first, f.last, item.substr(slash)));
    const std::optional<unsigned> n = number(item.substr(slash + 1));
    if (!n || *n == 0 || *n > std::max(last - first, 1U))
      return wrong(f, item, fmt::format("write a step from 1 to {}", std::max(last - first, 1U)));
    step = *n;
  }
  for (unsigned v = first; v <= last; v += step) bits |= std::uint64_t{1} << v;
  return {};
}

result<std::uint64_t> parse_field(const field& f, std::string_view text) {
  std::uint64_t bits = 0;
  for (const std::string_view item : split(text, ",")) {
    TANDEM_TRY(add_item(f, item, bits));
  }
  return bits;
}

constexpr std::array<unsigned, 13> longest_month{0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

}  // namespace

/// Fills in an expression.
class cron_parser {
 public:
  static result<cron_expression> parse(std::string_view original) {
    const std::string text = upper(original);
    std::vector<std::string_view> fields = split(text, " \t");
    std::erase(fields, std::string_view());
    for (const auto& [nickname, meaning] : nicknames)
      if (fields.size() == 1 && fields[0] == nickname) fields = split(meaning, " ");
    if (!fields.empty() && fields[0].front() == '@')
      return fail(errc::invalid_argument,
                  fmt::format("cron: \"{}\" is not known; write @hourly, @daily, @weekly, @monthly, @yearly or five "
                              "fields",
                              original));
    if (fields.size() != 5)
      return fail(errc::invalid_argument,
                  fmt::format("cron: \"{}\" has {} fields; write five: minute, hour, day of month, month, day of "
                              "week{}",
                              original, fields.size(), fields.size() == 6 ? " (there are no seconds)" : ""));
    cron_expression out;
    TANDEM_TRY_ASSIGN(out.minutes_, parse_field(minute_field, fields[0]));
    TANDEM_TRY_ASSIGN(const std::uint64_t hours, parse_field(hour_field, fields[1]));
    TANDEM_TRY_ASSIGN(const std::uint64_t days, parse_field(day_field, fields[2]));
    TANDEM_TRY_ASSIGN(const std::uint64_t months, parse_field(month_field, fields[3]));
    TANDEM_TRY_ASSIGN(const std::uint64_t weekdays, parse_field(weekday_field, fields[4]));
    out.hours_ = static_cast<std::uint32_t>(hours);
    out.days_ = static_cast<std::uint32_t>(days);
    out.months_ = static_cast<std::uint32_t>(months);
    out.weekdays_ = static_cast<std::uint32_t>((weekdays | weekdays >> 7) & 0x7f);
    out.any_day_ = fields[2].front() == '*';
    out.any_weekday_ = fields[4].front() == '*';
    out.follows_clock_ = fields[0].front() == '*' || fields[1].front() == '*';
    // Restricted by weekday alone, or by either: some day matches. Else the day must exist in one of the months.
    if (out.any_weekday_ && !some_month_has(out.months_, out.days_))
      return fail(errc::invalid_argument,
                  fmt::format("cron: \"{}\" matches no day: none of its months has that many days", original));
    return out;
  }

 private:
  static bool some_month_has(std::uint32_t months, std::uint32_t days) {
    for (unsigned m = 1; m <= 12; ++m)
      if (months >> m & 1 && days & ((std::uint64_t{2} << longest_month[m]) - 1)) return true;
    return false;
  }
};

result<cron_expression> cron_expression::parse(std::string_view text) { return cron_parser::parse(text); }

}  // namespace tandem
