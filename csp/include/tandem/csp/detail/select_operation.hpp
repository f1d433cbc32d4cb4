// The awaiters behind `co_await select(…)`.
#pragma once
#include <algorithm>
#include <array>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>

#include <tandem/csp/detail/arms.hpp>
#include <tandem/csp/detail/select_core.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp::detail {

template <class A>
concept arm = std::derived_from<A, select_arm>;

enum class choice : std::uint8_t { random, in_order };

/// One of 0 … n - 1, each as likely as the others; n is not 0 and below 2^32.
[[nodiscard]] inline std::uint64_t draw_below(std::uint64_t n) noexcept {
  return n * tandem::detail::next_random() >> 32;
}

/// What all selects have in common: try, wait, and once per slice let others run.
///
/// Derived has `int try_ready()`, `int otherwise_position()`, `arm_list arms()` and `Outcome take(int winner)`. The
/// first two yield a position among the arms, or select_core::undecided.
template <class Derived, class Outcome>
class select_awaiter : public tandem::detail::awaitable_base {
 public:
  select_awaiter(const select_awaiter&) = delete;
  select_awaiter& operator=(const select_awaiter&) = delete;
  ~select_awaiter() {}  // nothing of core_ needs to be destroyed

  bool await_ready() noexcept {
    const bool in_slice = tandem::detail::spend_slice();
    if (!in_slice && tandem::csp::detail::context_over(current_task())) [[unlikely]] {
      winner_ = select_core::context_over;
      return false;  // await_suspend() lets others run, even if the caller's loop ignores the outcome
    }
    winner_ = self().try_ready();
    if (winner_ == select_core::undecided) winner_ = self().otherwise_position();
    return winner_ != select_core::undecided && in_slice;
  }

  template <std::derived_from<tandem::detail::promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> coroutine) {
    return wait(tandem::detail::suspend_here(coroutine, *this));
  }

  result<Outcome> await_resume() {
    if (winner_ == select_core::undecided) winner_ = core_.finish();
    if (winner_ == select_core::context_over) return fail(context_error(current_task()));
    return self().take(winner_);
  }

 protected:
  select_awaiter() noexcept {}

 private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }

  // True if the task must stay suspended; then it may run elsewhere already, and *this may be gone.
  bool wait(task_record& task) {
    if (winner_ != select_core::undecided) {  // it took effect, or is over; only the slice is used up
      tandem::detail::yield_to_others(task);
      return true;
    }
    std::construct_at(&core_);
    if (core_.start(task, self().arms())) return true;
    if (tandem::detail::slice_left()) return false;
    // It did not have to wait after all, as with a timeout of zero; a loop of such selects must let others run too.
    winner_ = core_.finish();
    tandem::detail::yield_to_others(task);
    return true;
  }

  int winner_ = select_core::undecided;
  union {
    select_core core_;  // made when it is needed: most selects do not wait
  };
};
static_assert(std::is_trivially_destructible_v<select_core>);

/// Over arms that are known where it is written.
template <choice Choice, class... Arms>
class [[nodiscard]] select_operation
    : public select_awaiter<select_operation<Choice, Arms...>, std::variant<typename Arms::outcome...>> {
  using outcome = std::variant<typename Arms::outcome...>;
  using indices = std::index_sequence_for<Arms...>;

 public:
  explicit select_operation(Arms&... arms) noexcept : arms_{&arms...} {}

 private:
  friend select_awaiter<select_operation, outcome>;

  template <std::size_t I>
  using arm_type = std::variant_alternative_t<I, std::variant<Arms...>>;
  template <std::size_t I>
  arm_type<I>& arm() noexcept {
    return static_cast<arm_type<I>&>(*arms_[I]);
  }

  [[nodiscard]] arm_list arms() const noexcept { return arm_list(arms_); }
  int try_ready() noexcept { return try_ready_arms(indices()); }

  template <std::size_t... I>
  int try_ready_arms(std::index_sequence<I...>) noexcept {
    // Positions, and a count without a branch: which arms are ready, and which is drawn, no processor foresees.
    std::array<std::uint8_t, sizeof...(Arms)> ready;
    std::size_t count = 0;
    ((ready[count] = I, count += arm<I>().may_be_ready() ? 1 : 0), ...);
    for (; count != 0; --count) {
      const std::size_t drawn = Choice == choice::random && count > 1 ? draw_below(count) : 0;
      const std::size_t chosen = ready[drawn];
      // A compare per arm, so that each call is direct.
      const bool done = (((chosen == I) && arm<I>().attempt()) || ...);
      if (done) return static_cast<int>(chosen);
      std::copy(ready.begin() + drawn + 1, ready.begin() + count, ready.begin() + drawn);
    }
    return select_core::undecided;
  }

  static constexpr int otherwise_position() noexcept {
    int position = select_core::undecided;
    int i = 0;
    ((std::same_as<Arms, otherwise_arm> ? position = i++ : i++), ...);
    return position;
  }

  /// Recursive, so that the outcome is made where it is to be.
  template <std::size_t I = 0>
  outcome take(int winner) {
    if constexpr (I + 1 < sizeof...(Arms)) {
      if (winner != int{I}) return take<I + 1>(winner);
    }
    return outcome(std::in_place_index<I>, arm<I>().take());
  }

  std::array<select_arm*, sizeof...(Arms)> arms_;
};

template <choice Choice, class... Arms>
[[nodiscard]] auto select_of(Arms&... arms) noexcept {
  static_assert(sizeof...(Arms) > 0,
                "a select without arms would wait for ever; sleep_until(no_deadline) waits for the end of the context");
  static_assert(sizeof...(Arms) <= 64, "a select has at most 64 arms; a vector of any_arm has as many as you like");
  if constexpr (sizeof...(Arms) > 0 && sizeof...(Arms) <= 64) return select_operation<Choice, Arms...>(arms...);
}

}  // namespace tandem::csp::detail
