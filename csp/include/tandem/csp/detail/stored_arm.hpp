// An arm of a select that outlives the expression it was made in, without its type.
#pragma once
#include <concepts>
#include <utility>

#include <tandem/csp/detail/select_core.hpp>

namespace tandem::csp::detail {

class otherwise_arm;

/// What is known of the type of a stored arm.
template <class Outcome>
struct arm_kind {
  Outcome (*take)(select_arm& arm);
  void (*destroy)(select_arm& arm) noexcept;
  bool repeats;
  bool is_otherwise;
};

template <class Outcome, class A>
inline constexpr arm_kind<Outcome> kind_of_arm{
    [](select_arm& arm) { return Outcome(static_cast<A&>(arm).take()); },
    [](select_arm& arm) noexcept {
      A* const kept = static_cast<A*>(&arm);
      if constexpr (requires { kept->release(); }) kept->release();
      delete kept;
    },
    A::repeats,
    std::same_as<A, otherwise_arm>,
};

/// What an empty place in a vector of arms has. It has no state, so all of them share one.
class never_arm final : public select_arm {
 public:
  [[nodiscard]] bool may_be_ready() const noexcept override { return false; }
  [[nodiscard]] bool attempt() noexcept override { return false; }
  [[nodiscard]] commit enlist(selection&, std::uint32_t, task_record&) override { return commit::waiting; }
  void delist(bool) noexcept override {}
};
inline constinit never_arm never_chosen;

/// Owned by whoever has it. The pointer comes first: an array of these is an arm_list with a stride of two words.
template <class Outcome>
struct stored_arm {
  select_arm* arm = &never_chosen;
  const arm_kind<Outcome>* kind = nullptr;  // null: the arm is never_chosen

  void destroy() noexcept {
    if (kind) kind->destroy(*arm);
    *this = {};
  }
};

/// Moves an arm that no select has waited for yet to memory of its own, and gives it a share of what it borrows.
/// Errors: throws std::bad_alloc.
template <class Outcome, class A>
[[nodiscard]] stored_arm<Outcome> store(A&& made) {
  if constexpr (requires { made.to_store(); }) {
    return store<Outcome>(made.to_store());
  } else {
    A* const kept = new A(std::move(made));
    if constexpr (requires { kept->retain(); }) kept->retain();
    return {kept, &kind_of_arm<Outcome, A>};
  }
}

}  // namespace tandem::csp::detail
