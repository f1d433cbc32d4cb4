// What an actor has arranged with itself, if anything: timers and tasks, an idle timeout, a stash, a successor.
#pragma once
#include <cstddef>
#include <memory>

#include <tandem/actors/detail/body.hpp>
#include <tandem/actors/detail/own_message.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/time.hpp>

#include "mailbox.hpp"

namespace tandem::actors::detail {

/// Looks whether its actor has been idle long enough, and comes again when that may be.
class idle_timer final : public own_timer {
 public:
  idle_timer(duration after, time_point start) noexcept : own_timer(false), after_(after), last_active_(start) {}
  /// In the turn, after each message.
  void was_active(time_point now) noexcept { last_active_ = now; }

 private:
  [[nodiscard]] envelope_ptr due(time_point now, time_point& again) override;

  const duration after_;
  time_point last_active_;
};

/// Of one life. The turn's, or the constructor's.
struct arrangements : tandem::detail::pooled {
  explicit arrangements(cell& whose) : life(new own_life(whose)) {}

  const life_ptr life;
  idle_timer* idle = nullptr;  // a share
  envelope_list stash;
  std::size_t stashed = 0;
  std::unique_ptr<actor_body> successor;  // takes over when the running handler has ended
  const actor_kind* successor_kind = nullptr;
};

}  // namespace tandem::actors::detail
