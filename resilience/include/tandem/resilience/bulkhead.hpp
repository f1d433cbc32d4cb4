// bulkhead: so many calls at once, and so many that wait, so that one thing that is slow does not take everything down.
//
//   const auto bounded = with(bulkhead({.at_once = 8, .queue = 100, .queue_deadline = 200ms}));
//   bounded.run(query)
#pragma once
#include <atomic>
#include <cstdint>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include <tandem/resilience/detail/mean_time.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/sync/semaphore.hpp>

namespace tandem::resilience {

struct bulkhead_options {
  std::uint32_t at_once = 16;                         ///< At least 1.
  std::uint32_t queue = 0;                            ///< So many more may wait.
  duration queue_deadline = std::chrono::seconds(1);  ///< For so long, each. More than zero.
  std::string name = {};
};

namespace detail {

class bulkhead_state : public policy_state {
 public:
  explicit bulkhead_state(bulkhead_options options);

  [[nodiscard]] bool admits() noexcept { return room_.available() > 0 || queued() < options_.queue; }

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  friend class bulkhead_call;
  [[nodiscard]] std::uint32_t queued() const noexcept { return queued_.load(std::memory_order_relaxed); }
  [[nodiscard]] error refuse(const char* why);

  const bulkhead_options options_;
  // Relaxed: the semaphore orders what calls do; these are numbers, of which queued_ bounds itself.
  std::atomic<std::uint32_t> queued_{0};
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> rejected_{0};
  std::atomic<std::uint64_t> waited_{0};
  mean_time takes_;
  mutable sync::semaphore room_;
};

/// A call's place in the room, which it may have to wait for: while it lives.
class bulkhead_call {
 public:
  explicit bulkhead_call(bulkhead_state& b);
  bulkhead_call(const bulkhead_call&) = delete;
  bulkhead_call& operator=(const bulkhead_call&) = delete;
  ~bulkhead_call() {
    if (permits_.count() > 0) bulkhead_.takes_.add(now() - began_);
  }
  [[nodiscard]] bool is_in() const noexcept { return permits_.count() > 0; }
  /// Waits for its turn to come in; see bulkhead for the errors.
  [[nodiscard]] task<result<void>> queue();

 private:
  bulkhead_state& bulkhead_;
  time_point began_{};
  sync::semaphore::permits permits_;
};

}  // namespace detail

/// Bounds the calls that are inside at once, and those that wait for them.
///
/// Order:    first come, first served.
/// Suspends: while others are inside, for queue_deadline at most.
/// Cancel:   who leaves the queue has not called, and leaves its place to others.
/// Errors:   errc::overloaded if the queue is full or took too long, with an estimate of when there is room as
///           retry_after; errc::cancelled, errc::deadline_exceeded while it waits.
/// A call that does not end keeps its place: put a timeout inside.
class bulkhead final : public policy {
 public:
  /// Errors: throws std::invalid_argument.
  explicit bulkhead(bulkhead_options options = {});

  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    auto& mine = state_as<detail::bulkhead_state>();
    detail::bulkhead_call place(mine);
    if (!place.is_in()) [[unlikely]] {
      auto waited = co_await place.queue();
      if (!waited) co_return std::unexpected(std::move(waited).error());
    }
    co_return co_await next(c);
  }

  /// True if it would let a call in now, or into the queue.
  [[nodiscard]] bool admits(const call&) const noexcept { return state_as<detail::bulkhead_state>().admits(); }
};

}  // namespace tandem::resilience
