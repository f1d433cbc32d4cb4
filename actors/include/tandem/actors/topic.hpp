// topic: what is published reaches all who have subscribed, and a slow one as it has chosen.
//
//   topic<price> prices;
//   auto chart = prices.subscribe(chart_actor, subscriber_full::drop_newest).value();   // ends with `chart`
//   auto ledger = prices.subscribe(ledger_actor).value();                               // makes publishers wait
//   co_await or_return(prices.publish(price{"ACME", 17}));
#pragma once
#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/detail/fanout.hpp>
#include <tandem/actors/subscription.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/actors/topic_options.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::actors {

/// Each subscriber gets a copy of the message, made in the publisher's thread; publish std::shared_ptr<const M> if M is
/// large. A subscriber that has ended is forgotten at the next message. Without subscribers, a message is published to
/// nobody.
///
/// Owns:    a share of the topic, which lives as long as handles, refs, and subscriptions do.
/// Threads: every member may be called from any thread at any time; copies are cheap, and of the same topic.
/// Order:   each subscriber gets the messages of one publisher as published.
template <class M>
class topic {
  static_assert(detail::told_to_many<void(M)>,
                "a topic's messages must be copyable, and movable without throwing; if they are not, publish "
                "std::shared_ptr<const M>");

 public:
  using ref_type = actor_ref<void(M)>;

  explicit topic(topic_options options = {})
      : ref_(detail::target_ptr(new detail::typed_fanout<void(M)>(std::move(options.name), options.behind, true))) {}

  /// The topic registered under `name` in a system; made and registered if there is none.
  /// Errors: errc::failed_precondition if that name is something else. Throws std::bad_alloc.
  [[nodiscard]] static result<topic> named(system& in, const std::string& name) {
    for (;;) {
      auto found = in.lookup<void(M)>(name);
      if (found) {
        const auto* const known = dynamic_cast<detail::typed_fanout<void(M)>*>(found->target().get());
        if (!known || !known->accepts_alone()) return fail(errc::failed_precondition, name + " is no topic");
        return topic(std::move(*found));
      }
      if (found.error().code() != errc::not_found) return fail(std::move(found).error());
      topic made{topic_options(name)};
      auto registered = in.register_name(name, made.ref_);
      if (registered) return made;
      if (registered.error().code() != errc::already_exists) return fail(std::move(registered).error());
    }
  }

  /// From now on `subscriber` gets what is published. One that takes more than M will do.
  /// Errors: errc::failed_precondition (empty ref), errc::already_exists (it has subscribed). Throws std::logic_error
  ///         if it is this topic, or one that publishes here; std::bad_alloc.
  [[nodiscard]] result<subscription> subscribe(const ref_type& subscriber,
                                               subscriber_full when_full = subscriber_full::wait) const {
    if (!subscriber) return fail(detail::empty_ref());
    auto state = std::make_shared<detail::subscriber_state>();
    if (!target().add(detail::routee(subscriber.target(), when_full, state))) return fail(errc::already_exists);
    return subscription(target(), std::move(state));
  }

  /// Sends a copy to each subscriber: when this succeeds, each has it, or will when there is room, or missed it by its
  /// own choice. Waits while too many copies wait for room.
  ///
  /// Suspends: as said. The topic must outlive the wait.
  /// Cancel:   safe; on errc::cancelled and errc::deadline_exceeded nobody got the message.
  /// Errors:   errc::cancelled, errc::deadline_exceeded; what copying the message throws, as from_exception() makes it.
  template <class T>
    requires std::constructible_from<M, T>
  [[nodiscard]] detail::tell_operation publish(T&& message) const {
    return ref_.tell(std::forward<T>(message));
  }

  /// publish() if that needs no waiting.
  /// Suspends: never; also callable outside of tasks.
  /// Errors:   errc::would_block: nobody got the message. Those of copying it.
  template <class T>
    requires std::constructible_from<M, T>
  result<void> try_publish(T&& message) const {
    return ref_.try_tell(std::forward<T>(message));
  }

  /// Telling it is publishing: to subscribe the topic to another one, or to let others publish by a name.
  [[nodiscard]] const ref_type& ref() const noexcept { return ref_; }

  [[nodiscard]] topic_stats stats() const {
    // Relaxed: of some moment.
    const auto& counted = target().counted();
    return {counted.accepted.load(std::memory_order_relaxed), counted.delivered.load(std::memory_order_relaxed),
            counted.dropped.load(std::memory_order_relaxed), target().routees()->size()};
  }

 private:
  explicit topic(ref_type known) noexcept : ref_(std::move(known)) {}
  [[nodiscard]] detail::fanout& target() const noexcept { return static_cast<detail::fanout&>(*ref_.target()); }

  ref_type ref_;
};

}  // namespace tandem::actors
