// The target that gives each of its routees a copy: a broadcasting router, and the inside of a topic.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <tandem/actors/detail/message.hpp>
#include <tandem/actors/detail/router_target.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/errors/exception.hpp>

namespace tandem::actors::detail {

/// (F1) A copy for which its routee has no room is parked: it waits in that routee's own list, in a node inside the
///      copy. So nobody has to run for it, order is that of the list, and the node goes with the message.
/// (F2) parked_ counts the copies that were parked and are not destroyed, but for those of routees that were removed:
///      subscriber_state::parked of all that are here. While there are `behind` of them, senders wait here: a message
///      is accepted by all or by nobody.
/// (F3) Copies are made before the first of them is delivered, and outside of the lock: they are the user's code.
/// (F4) Who waits is served by one thread at a time, and not overtaken meanwhile: catching_up_ is set from the moment
///      it is taken from waiters_ until its copies are delivered.
class fanout : public router_target {
 public:
  [[nodiscard]] delivery try_deliver(envelope_ptr& message, error& why) noexcept final;
  [[nodiscard]] room_waiter::phase wait_for_room(room_waiter& w) noexcept final;
  [[nodiscard]] bool cancel_wait(room_waiter& w) noexcept final;

  struct counters {
    std::atomic<std::uint64_t> accepted{0}, delivered{0}, dropped{0};  // relaxed: statistics
  };
  [[nodiscard]] const counters& counted() const noexcept { return counters_; }

  [[nodiscard]] bool accepts_alone() const noexcept { return alone_ == when_alone::accept; }
  /// A parked copy is gone.
  void unparked(subscriber_state& of) noexcept;

 protected:
  /// With nobody to send to, a message is refused, or else accepted by all none of them.
  enum class when_alone : std::uint8_t { refuse, accept };
  fanout(const protocol_info& takes, std::string name, std::size_t behind, when_alone alone);

  struct parked_copy {
    envelope_ptr message;
    room_waiter* waiter;  // inside of `message`
  };
  /// Errors: throws what copying the message throws.
  [[nodiscard]] virtual envelope_ptr copy(const envelope& message) const = 0;
  /// Errors: throws std::bad_alloc.
  [[nodiscard]] virtual parked_copy make_parked(envelope& message, std::shared_ptr<subscriber_state> by) = 0;

 private:
  /// Under lock_: false if a message has to wait here.
  [[nodiscard]] bool has_room() const noexcept { return parked_ < behind_ && waiters_.empty() && !catching_up_; }
  [[nodiscard]] delivery spread(envelope_ptr& message, error& why) noexcept;
  [[nodiscard]] delivery hand(const routee& to, envelope_ptr& message, error& why) noexcept;
  [[nodiscard]] delivery park(const routee& to, envelope_ptr& message, error& why) noexcept;
  void missed(const routee& by) noexcept;
  /// Serves who waits, as long as there is room.
  void catch_up() noexcept;
  void prepare(routee& added) const override;
  void parted_with(subscriber_state& gone) noexcept override;

  const std::size_t behind_;
  const when_alone alone_;
  tandem::detail::spin_lock lock_;
  std::size_t parked_ = 0;    // guarded by lock_
  room_queue waiters_;        // guarded by lock_
  bool catching_up_ = false;  // guarded by lock_; F4
  counters counters_;
};

/// A copy that waits for room, F1.
template <class M>
class parked final : public typed_envelope<M, void> {
 public:
  parked(M&& v, fanout& by, std::shared_ptr<subscriber_state> whose)
      : typed_envelope<M, void>(std::move(v), false, no_deadline), by_(&by), whose_(std::move(whose)) {}
  ~parked() override { by_->unparked(*whose_); }

  room_waiter waiter;

 private:
  const basic_target_ptr<fanout> by_;
  const std::shared_ptr<subscriber_state> whose_;
};

template <class... Signatures>
class typed_fanout final : public fanout {
 public:
  typed_fanout(std::string name, std::size_t behind, bool accepts_alone)
      : fanout(actors::protocol<Signatures...>::info(), std::move(name), behind,
               accepts_alone ? when_alone::accept : when_alone::refuse) {}

 private:
  [[nodiscard]] envelope_ptr copy(const envelope& message) const override {
    envelope_ptr made;
    (void)(copy_as<typename signature<Signatures>::message>(message, made) || ...);
    return made;
  }
  [[nodiscard]] parked_copy make_parked(envelope& message, std::shared_ptr<subscriber_state> by) override {
    parked_copy made{nullptr, nullptr};
    (void)(park_as<typename signature<Signatures>::message>(message, by, made) || ...);
    return made;
  }

  template <class M>
  static bool is(const envelope& message) noexcept {
    return message.kind() == envelope::form::typed && message.tag() == &signature_tag<void(M)>;
  }
  template <class M>
  static bool copy_as(const envelope& message, envelope_ptr& made) {
    if (!is<M>(message)) return false;
    made.reset(new told<M>(static_cast<const typed_envelope<M, void>&>(message).value));
    made->set_lane(message.lane());
    return true;
  }
  template <class M>
  bool park_as(envelope& message, std::shared_ptr<subscriber_state>& by, parked_copy& made) {
    if (!is<M>(message)) return false;
    auto& from = static_cast<typed_envelope<M, void>&>(message);
    auto* const copy = new parked<M>(std::move(from.value), *this, std::move(by));
    copy->set_lane(message.lane());
    made = {envelope_ptr(copy), &copy->waiter};
    return true;
  }
};

/// What can be sent to many.
template <class S>
concept told_to_many = signature<S>::is_tell && std::is_copy_constructible_v<typename signature<S>::message> &&
                       std::is_nothrow_move_constructible_v<typename signature<S>::message>;

}  // namespace tandem::actors::detail
