// Arms of a select whose number is known at run time only. Start at any_arm; select.hpp has the arms and the select.
#pragma once
#include <concepts>
#include <cstddef>
#include <utility>

#include <tandem/csp/detail/select_operation.hpp>
#include <tandem/csp/detail/stored_arm.hpp>

namespace tandem::csp {

/// An arm that can be kept: select() waits for a vector of them as it does for arms that are written down.
///
/// ```
/// std::vector<any_arm<result<update>>> feeds;
/// for (const receiver<update>& feed : subscriptions) feeds.emplace_back(on_recv(feed));
/// for (std::size_t open = feeds.size(); open != 0;) {  // a select without arms would wait until the context ends
///   auto chosen = co_await select(feeds);
///   if (!chosen) co_return fail(chosen.error());  // the context is over
///   if (chosen->outcome) show(*chosen->outcome);
///   else feeds[chosen->index] = {}, --open;  // closed: from now on it is never chosen
/// }
/// ```
/// Between two selects arms may be added, replaced or removed.
///
/// `Outcome` is what every arm of the vector yields, or can be converted to: std::variant<result<update>, timed_out>
/// takes receives of updates and timeouts.
///
/// A vector may be waited for again and again. Arms of what happens once (a send that placed its value or found the
/// channel closed, a join, a reply, a timeout, the end of a context) are empty after they were chosen. Receives, changes
/// and ticks stay, and a closed channel is chosen again and again until its arm is emptied.
///
/// Owns:    the arm, and with it a share of the channel, the actor or the context it is about, and the value it sends.
///          The arm of a receive keeps its channel open as any receiver does, that of a send as any sender. Borrows the
///          handle of a join, the timer, the ticker, and the receiver of a broadcast or a watch.
/// Threads: none of its members may be called while a select waits for it, from wherever.
template <class Outcome>
class any_arm {
 public:
  /// An empty arm, which is never chosen.
  any_arm() noexcept = default;

  /// Errors: throws std::bad_alloc.
  template <detail::arm A>
    requires std::constructible_from<Outcome, typename A::outcome>
  /*implicit*/ any_arm(A&& made) : stored_(detail::store<Outcome>(std::move(made))) {}
  any_arm(any_arm&& other) noexcept : stored_(std::exchange(other.stored_, {})) {}
  any_arm& operator=(any_arm other) noexcept {
    std::swap(stored_, other.stored_);
    return *this;
  }
  ~any_arm() { stored_.destroy(); }

  /// True unless default-constructed, moved from or spent.
  [[nodiscard]] explicit operator bool() const noexcept { return stored_.kind != nullptr; }

  /// Not for users.
  [[nodiscard]] detail::stored_arm<Outcome>& stored() noexcept { return stored_; }

 private:
  detail::stored_arm<Outcome> stored_;
};

/// The outcome of a select over any_arms: which of them was chosen, and what it yields.
template <class Outcome>
struct selected_arm {
  selected_arm(std::size_t i, Outcome&& o) : index(i), outcome(std::move(o)) {}
  std::size_t index;
  Outcome outcome;
};

}  // namespace tandem::csp
