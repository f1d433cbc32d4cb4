// self_timer: the handle of a message that an actor sends to itself later, once or again and again.
//
//   retry_ = context_.after<uploader>(5s, try_again{});  // by an uploader, whose protocol has void(try_again)
//   …
//   retry_.cancel();                                     // it is not handled, even if it was in the mailbox already
#pragma once
#include <utility>

#include <tandem/actors/detail/own_message.hpp>

namespace tandem::actors {

/// Made by actor_context::after() and every(). Dropping it cancels nothing.
///
/// Owns:    a share of the timer, not of the actor, which it may outlive.
/// Threads: use one handle from one thread at a time; it may be another one than the actor's.
class self_timer {
 public:
  /// Refers to no timer.
  self_timer() = default;
  self_timer(self_timer&& other) noexcept : timer_(std::exchange(other.timer_, nullptr)) {}
  self_timer& operator=(self_timer other) noexcept {
    std::swap(timer_, other.timer_);
    return *this;
  }
  ~self_timer() {
    if (timer_) timer_->release();
  }

  /// True if the message was still to come: no handler is called for it any more, unless somebody other than the actor
  /// cancels it, and its turn comes at this moment. False: it was handled or is being handled, it was cancelled before,
  /// the actor has ended, or the handle is empty. One that repeats is to come until it is cancelled or its actor ends.
  bool cancel() noexcept { return timer_ && timer_->cancel(); }

  /// Not for users.
  explicit self_timer(detail::own_timer& shared) noexcept : timer_(&shared) { timer_->retain(); }

 private:
  detail::own_timer* timer_ = nullptr;
};

}  // namespace tandem::actors
