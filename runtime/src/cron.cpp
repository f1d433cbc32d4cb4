#include <tandem/runtime/cron.hpp>

#include <stdexcept>
#include <string>

#include <tandem/runtime/sleep.hpp>

#include "recheck.hpp"

namespace tandem {
namespace {

// As cron(8) has it: less is an adjustment of a clock that was right enough, more is a clock that was plain wrong.
constexpr duration correction = std::chrono::hours(3);
constexpr std::uint64_t most_counted = 10'000;

__extension__ using wide = __int128;  // differences of two points in time may not fit 64 bits

wide count(wall_time t) { return t.time_since_epoch().count(); }

wall_time just_before(wall_time t) { return t == wall_time::min() ? t : t - duration(1); }

}  // namespace

cron::cron(wall_time start, duration every) : start_(start), every_(every) {
  if (every <= duration::zero()) throw std::invalid_argument("tandem: a cron's interval must be more than zero");
}

std::optional<wall_time> cron::after(wall_time from) const {
  if (points_) return points_(from);
  if (from < start_) return start_;
  const wide steps = (count(from) - count(start_)) / every_.count() + 1;
  const wide point = count(start_) + steps * every_.count();
  if (point > count(wall_time::max())) return std::nullopt;
  return wall_time(duration(static_cast<duration::rep>(point)));
}

cron_point cron::catch_up(wall_time first, wall_time now) const {
  cron_point out{first, 0};
  if (!points_) {
    out.missed = static_cast<std::uint64_t>((count(now) - count(first)) / every_.count());
    out.when += every_ * static_cast<duration::rep>(out.missed);
    return out;
  }
  const auto step = [&] {
    const std::optional<wall_time> next = points_(out.when);
    if (!next || *next > now) return false;
    out.when = *next;
    return true;
  };
  while (out.missed < most_counted) {
    if (!step()) return out;
    ++out.missed;
  }
  // The clock jumped over a lifetime of points: look for the latest from its end.
  for (duration window = std::chrono::microseconds(1); window < (now - out.when) / 2; window *= 2) {
    if (const std::optional<wall_time> late = points_(now - window); late && *late <= now) {
      out.when = *late;
      break;
    }
  }
  while (step()) {}
  return out;
}

task<result<cron_point>> cron::next() {
  for (;;) {
    const wall_time now = wall_now();
    // Before the first call, and when the clock turned out to be wrong, the schedule begins with the present moment.
    if (!from_ || count(now) < count(*from_) - correction.count()) from_ = just_before(now);
    const std::optional<wall_time> due = after(*from_);
    if (!due) co_return fail(errc::out_of_range, "the schedule has no more points");
    if (*due <= now) {
      const cron_point point = catch_up(*due, now);
      from_ = point.when;
      co_return point;
    }
    TANDEM_CO_TRY(co_await sleep_for(detail::until_recheck(now, *due)));
  }
}

}  // namespace tandem
