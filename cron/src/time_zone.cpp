#include <tandem/cron/time_zone.hpp>

#include <absl/time/time.h>
#include <fmt/format.h>

namespace tandem {
namespace {

std::chrono::sys_seconds to_seconds(absl::Time t) {
  return std::chrono::sys_seconds(std::chrono::seconds(absl::ToUnixSeconds(t)));
}

}  // namespace

struct time_zone::loaded {
  absl::TimeZone zone;
};

time_zone time_zone::utc() { return time_zone(std::make_shared<loaded>(loaded{absl::UTCTimeZone()})); }

time_zone time_zone::local() { return time_zone(std::make_shared<loaded>(loaded{absl::LocalTimeZone()})); }

result<time_zone> time_zone::find(std::string_view name) {
  absl::TimeZone zone;
  // An empty name would mean UTC to Abseil, a path any file: neither is what somebody wrote into a configuration.
  if (name.empty() || name.front() == '/' || name.front() == ':' || name.find("..") != name.npos ||
      !absl::LoadTimeZone(absl::string_view(name.data(), name.size()), &zone))
    return fail(errc::not_found,
                fmt::format("no time zone \"{}\"; write a name of the tz database like Europe/Berlin or UTC, and see "
                            "that the package tzdata is installed",
                            name));
  return time_zone(std::make_shared<loaded>(loaded{zone}));
}

std::string time_zone::name() const { return zone_->zone.name(); }

time_zone::period time_zone::period_at(std::chrono::sys_seconds when) const {
  const absl::TimeZone& zone = zone_->zone;
  const absl::Time t = absl::FromUnixSeconds(when.time_since_epoch().count());
  const auto offset_at = [&](absl::Time moment) { return std::chrono::seconds(zone.At(moment).offset); };
  period out{std::chrono::sys_seconds::min(), std::chrono::sys_seconds::max(), offset_at(t), {}};
  out.offset_before = out.offset;
  absl::TimeZone::CivilTransition change;
  if (zone.PrevTransition(t + absl::Seconds(1), &change)) {  // strictly before its argument
    const absl::Time begin = zone.At(change.to).trans;
    out.begin = to_seconds(begin);
    out.offset_before = offset_at(begin - absl::Seconds(1));
  }
  if (zone.NextTransition(t, &change)) out.end = to_seconds(zone.At(change.to).trans);
  return out;
}

}  // namespace tandem
