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

/// Lives in the frame of hedge::around(). Each copy has the timer that starts the next one, and waits for that before it
/// ends: so when the first one has ended, all have.
///
/// (H1) `value_` and `thrown_` are written by the copy that won, which sets `won_`; they are read when all have ended,
///      which the joins make visible.
/// (H2) `asked_` and `asked_targets_` are written before the first copy, and then by the start of one copy after the
///      other, as each arms the timer of the next.
template <class T, class Next>
class hedged_call {
 public:
  hedged_call(hedge_state& policy, const call& c, Next next)
      : policy_(policy), next_(std::move(next)), call_(c), begun_(now()), delay_(policy.begin(call_, begun_)) {
    if (hedges()) source_.emplace();
  }

  /// Whether another copy may follow.
  [[nodiscard]] bool hedges() const noexcept { return delay_ && call_.idempotent; }
  /// Of all copies.
  [[nodiscard]] const tandem::context& context() const noexcept { return source_->context(); }

  /// By the caller, under context().
  [[nodiscard]] task<error> first() {
    call c = call_;
    const std::size_t target = policy_.choose(c, inside(), asked_, begun_);
    return run_copy(c, target, begun_);
  }

  /// When all copies have ended: what they failed with if none won.
  [[nodiscard]] result<T> outcome(error failed) {
    if (thrown_) std::rethrow_exception(std::move(thrown_));
    if (value_) return std::move(*value_);
    return std::unexpected(std::move(failed));
  }

 private:
  [[nodiscard]] inner_policies inside() const noexcept {
    return {&next_, [](const void* n, const call& c) noexcept { return static_cast<const Next*>(n)->admits(c); }};
  }

  /// Gives what this copy and the later ones failed with.
  task<error> run_copy(call c, std::size_t target, time_point started) {
    error failed;
    delayed_start another(&start_another, this, c.copy + 1);
    {
      const hedge_state::copy_in_flight counted(policy_, target);
      if (hedges() && c.copy + 1 < policy_.copies()) another.arm(deadline_after(started, *delay_));
      std::optional<result<T>> got;
      std::exception_ptr thrown;
      try {
        got.emplace(co_await next_(c));
      } catch (...) {
        thrown = std::current_exception();
      }
      const bool alone = c.copy == 0 && another.stop();
      failed = ended(c, target, started, std::move(got), std::move(thrown), alone);
      if (alone) co_return failed;
    }
    if (another.stop()) co_return failed;
    const tandem::detail::context_swap to_the_end(nullptr);  // as the copies' context is over, or may be soon
    while (!another.done()) co_await yield();
    if (!another.started()) co_return failed;
    const result<error> rest = co_await another.started().join();
    co_return joined(std::move(failed), rest ? *rest : rest.error());
  }

  /// A copy has ended, with a value or an exception. Gives its error, if it has one that matters.
  error ended(const call& c, std::size_t target, time_point started, std::optional<result<T>>&& got,
              std::exception_ptr thrown, bool alone) {
    const time_point at = now();
    const duration took = at - started;
    const bool won = (thrown || got->has_value()) && !won_.exchange(true, std::memory_order_relaxed);  // H1
    if (c.copy > 0) policy_.hedge_ended(won && !thrown);
    if (!call_.idempotent && delay_ && took >= *delay_) policy_.not_idempotent();
    error failed;
    if (thrown) {
      policy_.threw(at);
      if (won) thrown_ = std::move(thrown);
    } else if (*got) {
      policy_.succeeded(took, at);
      if (won) value_.emplace(std::move(*got));
    } else if (won_.load(std::memory_order_relaxed) && got->error().is(errc::cancelled)) {
      policy_.lost(took, *delay_, at);
    } else {
      failed = std::move(*got).error();
      if (!only_says_that_context_is_over(failed)) policy_.failed(target, failed, at);
    }
    if (won && !alone) source_->cancel(another_copy_won());
    return failed;
  }

  [[nodiscard]] bool only_says_that_context_is_over(const error& e) const noexcept {
    return (e.is(errc::cancelled) || e.is(errc::deadline_exceeded)) &&
           (hedges() ? context().is_over() : this_task::cancelled());
  }
  [[nodiscard]] error joined(error mine, error later) const {
    if (won_.load(std::memory_order_relaxed)) return {};
    if (only_says_that_context_is_over(mine)) return mine;  // it says it all
    return join(std::move(mine), std::move(later));
  }

  static join_handle<error> start_another(void* of, std::uint32_t which) noexcept {
    auto& all = *static_cast<hedged_call*>(of);
    const time_point at = now();
    try {
      if (all.context().is_over()) return {};
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

}  // namespace tandem::resilience::detail
