// The awaiter behind `co_await select(arms)`, where `arms` is a vector.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <type_traits>

#include <tandem/csp/any_arm.hpp>
#include <tandem/csp/detail/select_operation.hpp>
#include <tandem/csp/detail/stored_arm.hpp>

namespace tandem::csp::detail {

template <class A>
inline constexpr bool is_any_arm = false;
template <class Outcome>
inline constexpr bool is_any_arm<any_arm<Outcome>> = true;

template <class R>
concept arm_range = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
                    is_any_arm<std::remove_reference_t<std::ranges::range_reference_t<R>>>;

/// Over arms in an array, however many. Allocates nothing: the arms have the nodes.
template <choice Choice, class Outcome>
class [[nodiscard]] any_select_operation
    : public select_awaiter<any_select_operation<Choice, Outcome>, selected_arm<Outcome>> {
 public:
  any_select_operation(any_arm<Outcome>* arms, std::size_t count) noexcept : arms_(arms), count_(count) {}

 private:
  friend select_awaiter<any_select_operation, selected_arm<Outcome>>;

  stored_arm<Outcome>& at(std::size_t i) const noexcept { return arms_[i].stored(); }

  [[nodiscard]] arm_list arms() const noexcept {
    static_assert(sizeof(any_arm<Outcome>) == 2 * sizeof(select_arm*));
    return count_ == 0 ? arm_list() : arm_list(&at(0).arm, 2, count_);
  }

  // One look at each arm, and for a random choice one draw for each that is ready: the n-th of them takes the place of
  // the one chosen so far with a chance of 1 / n, so all of them end with the same chance.
  int try_ready() noexcept {
    std::size_t chosen = 0;
    std::uint64_t ready = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      select_arm& arm = *at(i).arm;
      if (!arm.may_be_ready()) continue;
      if constexpr (Choice == choice::in_order) {
        if (arm.attempt()) return static_cast<int>(i);
      } else if (++ready == 1 || draw_below(ready) == 0) {
        chosen = i;
      }
    }
    if (ready == 0) return select_core::undecided;
    if (at(chosen).arm->attempt()) return static_cast<int>(chosen);
    return ready > 1 ? try_all_from(draw_below(count_)) : select_core::undecided;
  }

  // Somebody was faster at the chosen arm.
  int try_all_from(std::size_t start) noexcept {
    for (std::size_t n = 0; n < count_; ++n) {
      const std::size_t i = start + n < count_ ? start + n : start + n - count_;
      if (at(i).arm->may_be_ready() && at(i).arm->attempt()) return static_cast<int>(i);
    }
    return select_core::undecided;
  }

  [[nodiscard]] int otherwise_position() const noexcept {
    for (std::size_t i = 0; i < count_; ++i)
      if (at(i).kind && at(i).kind->is_otherwise) return static_cast<int>(i);
    return select_core::undecided;
  }

  selected_arm<Outcome> take(int winner) {
    const auto index = static_cast<std::size_t>(winner);
    stored_arm<Outcome>& won = at(index);
    selected_arm<Outcome> chosen(index, won.kind->take(*won.arm));
    if (!won.kind->repeats) won.destroy();
    return chosen;
  }

  any_arm<Outcome>* const arms_;
  const std::size_t count_;
};

template <choice Choice, class Outcome>
any_select_operation<Choice, Outcome> select_among(any_arm<Outcome>* arms, std::size_t count) noexcept {
  return {arms, count};
}

}  // namespace tandem::csp::detail
