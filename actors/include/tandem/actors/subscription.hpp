// subscription: that an actor gets what is published, for as long as this object lives. See topic.hpp.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include <tandem/actors/detail/router_target.hpp>

namespace tandem::actors {

/// Ends when it is destroyed, when its actor has ended, or by subscriber_full::unsubscribe.
///
/// Owns:    a share of the topic, which has one of the subscriber. So an actor that keeps its own subscription keeps
///          itself alive until it quits.
/// Threads: as a unique_ptr; missed() and active() from any thread.
class [[nodiscard]] subscription {
 public:
  subscription() = default;
  subscription(subscription&&) noexcept = default;
  subscription& operator=(subscription&& other) noexcept {
    subscription old(std::move(*this));
    of_ = std::move(other.of_);
    state_ = std::move(other.state_);
    return *this;
  }
  ~subscription() { end(); }

  /// Messages published from now on are not delivered; those accepted before still are, but publishers do not wait for
  /// that.
  void end() noexcept;

  /// How many messages were not delivered because the subscriber had no room.
  [[nodiscard]] std::uint64_t missed() const noexcept;

  /// False once it has ended; that its actor has ended is noticed by the first message after that.
  [[nodiscard]] bool active() const;

  /// Not for users.
  subscription(detail::router_target& of, std::shared_ptr<detail::subscriber_state> state) noexcept
      : of_(&of), state_(std::move(state)) {}

 private:
  detail::basic_target_ptr<detail::router_target> of_;
  std::shared_ptr<detail::subscriber_state> state_;
};

}  // namespace tandem::actors
