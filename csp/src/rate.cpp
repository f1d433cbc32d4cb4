#include <tandem/csp/rate.hpp>

#include <cstdio>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <stdexcept>

#include <fmt/format.h>
#include <tandem/runtime/sleep.hpp>

namespace tandem::csp {

rate::rate(std::uint64_t events, duration per) : events_(events), per_(per) {
  if (events == 0 || per <= duration::zero())
    throw std::invalid_argument(fmt::format("tandem: a rate of {} events in {} ns", events, per.count()));
}

// The generic cell rate algorithm, as virtual scheduling (ITU-T I.371, annex A; ATM Forum Traffic Management 4.1,
// section 4.4). There, TAT is the theoretical arrival time of the next cell, T the time for one, and L the tolerance:
// a cell conforms if it comes no earlier than TAT - L, and then TAT becomes max(now, TAT) + T. Here several tokens are
// several cells at once, full_at_ is TAT, and the tolerance for the last of them is (burst - 1) * T. So there is one
// number to keep, nothing to refill, and the time a token is due is known beforehand.
token_bucket::token_bucket(rate r, std::uint64_t burst) : rate_(r), burst_(burst) {
  constexpr std::int64_t longest = std::numeric_limits<std::int64_t>::max() / 4;
  if (burst == 0) throw std::invalid_argument("tandem: a token bucket that never holds a token");
  if (burst > static_cast<std::uint64_t>(longest) / static_cast<std::uint64_t>(rate_.per().count()))
    throw std::invalid_argument(fmt::format("tandem: a burst of {} tokens, at {} in {} ns: too many, or too slow",
                                            burst, rate_.events(), rate_.per().count()));
  full_at_.whole = -longest;  // long ago on any clock
}

token_bucket::~token_bucket() {
  if (waiting_ == 0) [[likely]] return;
  std::fprintf(stderr,
               "tandem: a token bucket was destroyed while tasks wait for its tokens (%llu of them). Let it outlive the "
               "tasks that use it: join them first.\n",
               static_cast<unsigned long long>(waiting_));
  std::abort();
}

token_bucket::span token_bucket::time_for(std::uint64_t n) const noexcept {
  const std::uint64_t product = n * static_cast<std::uint64_t>(rate_.per().count());  // n <= burst_: does not overflow
  return {static_cast<std::int64_t>(product / rate_.events()), product % rate_.events()};
}

token_bucket::span token_bucket::sum(span a, span b) const noexcept {
  const bool carries = a.part >= rate_.events() - b.part;  // not the sum, which may overflow
  return {a.whole + b.whole + (carries ? 1 : 0), carries ? a.part - (rate_.events() - b.part) : a.part + b.part};
}

bool token_bucket::take(std::uint64_t n, time_point& due) noexcept {
  const std::int64_t time = now().time_since_epoch().count();
  const bool was_full = full_at_.whole < time;
  const span full_at = sum(was_full ? span{time, 0} : full_at_, time_for(n));
  // It may be filled up no later than this from now.
  const span most = sum(span{time, 0}, time_for(burst_));
  if (full_at.whole < most.whole || (full_at.whole == most.whole && full_at.part <= most.part)) {
    full_at_ = full_at;
    return true;
  }
  const std::int64_t missing = full_at.whole - most.whole + (full_at.part > most.part ? 1 : 0);
  due = deadline_after(time_point(duration(time)), duration(missing));
  return false;
}

bool token_bucket::take_before_others(std::uint64_t n) noexcept {
  const std::lock_guard hold(lock_);
  time_point due;
  return waiting_ == 0 && take(n, due);
}

result<void> token_bucket::try_acquire(std::uint64_t n) {
  if (n > burst_) return refuse(n);
  if (n != 0 && !take_before_others(n)) return fail(errc::would_block);
  return {};
}

/// Counted while it lives: nobody who comes later takes tokens before it.
class token_bucket::waiting {
 public:
  explicit waiting(token_bucket& b) noexcept : bucket_(b) {
    const std::lock_guard hold(bucket_.lock_);
    ++bucket_.waiting_;
  }
  waiting(const waiting&) = delete;
  waiting& operator=(const waiting&) = delete;
  ~waiting() {
    const std::lock_guard hold(bucket_.lock_);
    --bucket_.waiting_;
  }

 private:
  token_bucket& bucket_;
};

task<result<void>> token_bucket::acquire(std::uint64_t n) {
  if (n > burst_) co_return refuse(n);
  if (!tandem::detail::spend_slice()) co_await yield();
  if (n == 0 || take_before_others(n)) co_return result<void>();
  const waiting counted(*this);
  const auto turn = co_await turn_.acquire();
  if (!turn) co_return fail(turn.error());
  for (;;) {
    time_point due;
    {
      const std::lock_guard hold(lock_);
      if (take(n, due)) co_return result<void>();
    }
    if (auto slept = co_await sleep_until(due); !slept) co_return fail(std::move(slept).error());
  }
}

std::unexpected<error> token_bucket::refuse(std::uint64_t n) const {
  return fail(errc::invalid_argument, fmt::format("{} tokens of a bucket that holds {}", n, burst_));
}

}  // namespace tandem::csp
