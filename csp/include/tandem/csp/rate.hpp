// Doing something only so often: a bucket of tokens that fills at a steady rate.
//
//   token_bucket requests(rate(100), 10);  // 100 a second, at most 10 at once
//   for (auto& r : all) {
//     co_await or_return(requests.acquire());
//     send(r);
//   }
#pragma once
#include <cstdint>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/sync/spin_lock.hpp>

namespace tandem::csp {

/// So many events in so much time.
class rate {
 public:
  /// Errors: throws std::invalid_argument if there are no events, or `per` is not more than zero.
  explicit rate(std::uint64_t events, duration per = std::chrono::seconds(1));

  /// One event each `interval`.   Errors: as the constructor.
  [[nodiscard]] static rate one_each(duration interval) { return rate(1, interval); }

  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }
  [[nodiscard]] duration per() const noexcept { return per_; }
  friend bool operator==(const rate&, const rate&) = default;

 private:
  std::uint64_t events_;
  duration per_;
};

/// Lets events happen at a rate. It holds up to `burst` tokens, is full at the start, and fills at the rate: so within
/// any time t it lets at most `burst` + t times the rate of them happen. That is strict: what is lost because a full
/// bucket cannot fill is not made up for. With a burst of 1 that includes each delay of who waits, so allow for 2 or
/// more where the rate should be reached; then nothing is lost, not even to rounding. It costs nothing while nobody
/// uses it.
///
/// Order:   first come, first served: who waits for many tokens is not overtaken by those who want few.
/// Threads: acquire() by tasks; try_acquire() by any thread. All of them on one clock: not by tasks of a simulation and
///          others. Neither moved nor copied. It must outlive those who wait: destroyed before, it reports that on
///          stderr and aborts.
class token_bucket {
 public:
  /// Errors: throws std::invalid_argument for no burst, or one that takes more than 70 years to come together.
  token_bucket(rate r, std::uint64_t burst);
  token_bucket(const token_bucket&) = delete;
  token_bucket& operator=(const token_bucket&) = delete;
  ~token_bucket();

  /// Takes `n` tokens, waiting until they are there. None are always there.
  /// Suspends: until there are enough, and those who came before have theirs; and once in a while to let others run.
  /// Cancel:   safe; on error nothing was taken. Tokens that are there may be taken in a context that is over.
  /// Errors:   errc::invalid_argument at once, if `n` is more than the burst; errc::cancelled, errc::deadline_exceeded.
  [[nodiscard]] task<result<void>> acquire(std::uint64_t n = 1);

  /// Takes `n` tokens if they are there and nobody waits.   Suspends: never.
  /// Errors: errc::would_block, errc::invalid_argument.
  [[nodiscard]] result<void> try_acquire(std::uint64_t n = 1);

  [[nodiscard]] std::uint64_t burst() const noexcept { return burst_; }

 private:
  /// A length of time: `whole` nanoseconds and `part` of the rate's events_-th parts of one.
  struct span {
    std::int64_t whole = 0;
    std::uint64_t part = 0;
  };
  class waiting;

  [[nodiscard]] span time_for(std::uint64_t n) const noexcept;
  [[nodiscard]] span sum(span a, span b) const noexcept;
  /// Under the lock: takes `n` tokens if they are there. Otherwise tells when they will be.
  [[nodiscard]] bool take(std::uint64_t n, time_point& due) noexcept;
  [[nodiscard]] bool take_before_others(std::uint64_t n) noexcept;
  [[nodiscard]] std::unexpected<error> refuse(std::uint64_t n) const;

  const rate rate_;
  const std::uint64_t burst_;
  sync::semaphore turn_{1};  // of those who wait, the first has it
  sync::spin_lock lock_;     // guards the rest
  std::uint64_t waiting_ = 0;
  span full_at_;  // on the clock: when the bucket is, or was, full
};

}  // namespace tandem::csp
