// One call through a hedge, with its copies.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include <tandem/resilience/detail/delayed_start.hpp>
#include <tandem/resilience/detail/hedge_state.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/this_task.hpp>
#include <tandem/runtime/with_context.hpp>

namespace tandem::resilience::detail {

/// What copies that lost end with.
[[nodiscard]] const error& another_copy_won() noexcept;

/// What the copies of a call share. Lives in the frame of hedge::around(), which runs the first one. Each copy has the
/// timer that starts the next one, and waits for that before it ends: so when the first one has ended, all have.
///
/// (H1) `value_` and `thrown_` are written by the copy that won, which sets `won_`; they are read when all have ended,
///      which the joins make visible.
/// (H2) `asked_` is written before the first copy, and then by the start of one copy after the other, as each arms the
///      timer of the next.
template <class T, class Next>
class hedged_call {
 public:
  class copy;

  hedged_call(hedge_state& policy, const call& c, Next next)
      : policy_(policy), next_(std::move(next)), call_(c), begun_(now()), delay_(policy.begin(call_, begun_)) {
    call_.copy = 0;  // whatever it is to a hedge outside
    if (hedges()) source_.emplace();
  }

  /// Whether another copy may follow.
  [[nodiscard]] bool hedges() const noexcept { return delay_ && call_.idempotent; }
  /// Of all copies.
  [[nodiscard]] const tandem::context& context() const noexcept { return source_->context(); }

  /// When all copies have ended: what comes of the call; `failed` if none won.
  [[nodiscard]] result<T> outcome(error failed) {
    if (thrown_) [[unlikely]] std::rethrow_exception(std::move(thrown_));
    if (value_) [[likely]] return std::move(*value_);
    return std::unexpected(std::move(failed));
  }

 private:
  [[nodiscard]] inner_policies inside() const noexcept {
    return {&next_, [](const void* n, const call& c) noexcept { return static_cast<const Next*>(n)->admits(c); }};
  }
  [[nodiscard]] bool only_says_that_context_is_over(const error& e) const noexcept {
    return (e.is(errc::cancelled) || e.is(errc::deadline_exceeded)) &&
           (hedges() ? context().is_over() : this_task::cancelled());
  }

  /// Another copy. Gives what it and those after it failed with.
  task<error> run_copy(call c, std::size_t target, time_point started) {
    copy mine(*this, c, target, started);
    try {
      mine.outcome.emplace(co_await mine.run());
    } catch (...) {
      mine.thrown = std::current_exception();
    }
    if (!mine.ended()) co_await mine.await_later_ones();
    co_return std::move(mine.failed);
  }

  static join_handle<error> start_another(void* of, std::uint32_t which) noexcept {
    auto& all = *static_cast<hedged_call*>(of);
    try {
      if (all.context().is_over()) return {};
      const time_point at = now();
      call c = all.call_;
      c.copy = which;
      const auto target = all.policy_.choose_another(c, all.inside(), all.asked_, at);
      if (!target) return {};
      return spawn(all.run_copy(c, *target, at), spawn_options("hedged copy", all.context()));
    } catch (...) {  // no memory for one more: the copies there are go on
      return {};
    }
  }

  hedge_state& policy_;
  const Next next_;
  call call_;
  const time_point begun_;
  const std::optional<duration> delay_;
  std::optional<cancel_source> source_;  // if it hedges
  targets_asked asked_;
  std::atomic<bool> won_{false};
  std::optional<result<T>> value_;
  std::exception_ptr thrown_;
};

/// One copy. Lives in the frame of the coroutine that runs it.
template <class T, class Next>
class hedged_call<T, Next>::copy {
 public:
  /// The first.
  explicit copy(hedged_call& all)
      : copy(all, all.call_, all.begun_) {}
  copy(hedged_call& all, const call& c, std::size_t target, time_point started)
      : all_(all), call_(c), target_(target), started_(started), counted_(all.policy_, target),
        next_one_(&start_another, &all, c.copy + 1) {
    if (all.hedges() && c.copy + 1 < all.policy_.copies()) next_one_.arm(deadline_after(started, *all.delay_));
  }

  [[nodiscard]] task<result<T>> run() { return all_.next_(call_); }

  // What came of it, to be set before ended().
  std::optional<result<T>> outcome;
  std::exception_ptr thrown;

  /// Takes what came of it. False: later ones were started, and must be awaited.
  [[nodiscard]] bool ended() {
    counted_.end();
    const bool none_later = next_one_.stop();
    const bool alone = none_later && call_.copy == 0;
    const time_point at = now();
    const duration took = at - started_;
    // Relaxed: who reads it wants no more than to know.
    const bool won = (thrown || *outcome) && (alone || !all_.won_.exchange(true, std::memory_order_relaxed));
    if (thrown) [[unlikely]] {
      all_.policy_.threw(at);
      if (won) all_.thrown_ = std::move(thrown);
    } else if (*outcome) [[likely]] {
      all_.policy_.succeeded(took, at);
      if (won) all_.value_ = std::move(outcome);
    } else {
      has_failed(took, at);
    }
    if (call_.copy > 0) all_.policy_.hedge_ended(won && all_.value_);
    if (!call_.idempotent && all_.delay_ && took >= *all_.delay_) all_.policy_.not_idempotent();
    if (won && !alone) all_.source_->cancel(another_copy_won());
    return none_later;
  }
  error failed;  // from then on: what it failed with, if nobody else won

  [[nodiscard]] task<void> await_later_ones() {
    const tandem::detail::context_swap to_the_end(nullptr);  // as the copies' context is over, or may be soon
    while (!next_one_.done()) co_await yield();
    if (!next_one_.started()) co_return;
    result<error> later = co_await next_one_.started().join();
    if (all_.won_.load(std::memory_order_relaxed)) co_return;
    if (all_.only_says_that_context_is_over(failed)) co_return;  // it says it all
    failed = join(std::move(failed), later ? std::move(*later) : std::move(later).error());
  }

 private:
  copy(hedged_call& all, call c, time_point started)
      : copy(all, c, all.policy_.choose(c, all.inside(), all.asked_, started), started) {}

  void has_failed(duration took, time_point at) {
    failed = std::move(*outcome).error();
    if (all_.won_.load(std::memory_order_relaxed) && failed.is(errc::cancelled)) {
      all_.policy_.lost(took, *all_.delay_, at);
    } else if (!all_.only_says_that_context_is_over(failed)) {
      all_.policy_.failed(target_, failed, at);
    }
  }

  hedged_call& all_;
  const call call_;
  const std::size_t target_;
  const time_point started_;
  hedge_state::copy_in_flight counted_;
  delayed_start next_one_;
};

}  // namespace tandem::resilience::detail
