// router: one address for several actors. Its ref is like any other; messages go to routees in the sender's thread.
//
//   router<void(job), status(get_status)> workers(round_robin(), {a, b, c});
//   co_await or_return(workers.ref().tell(job{17}));
//   workers.add(d);
//
// routing.hpp has the ways to choose; actor_pool.hpp is for workers that take from a common queue.
#pragma once
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/detail/fanout.hpp>
#include <tandem/actors/detail/one_of_router.hpp>
#include <tandem/actors/detail/scatter_router.hpp>
#include <tandem/actors/routing.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::actors {

/// Passes messages on to its routees, as routing.hpp says for each choice.
///
/// What is told or asked by its ref ends as with the routee's own ref: a routee that is full makes the sender wait
/// there, limits and cancellation hold, and the answer is the routee's. A routee that has ended is taken out when a
/// message is to go to it, and the message goes to another; when none is left, or there was none, the sender gets
/// errc::unavailable. What a routee had accepted ends with it, as always; so does a tell that waits there for room,
/// with errc::unavailable, not sent. A router that is a routee and has no routees counts as ended.
///
/// Owns:    a share of the router, which has one of each routee: a routee without other refs lives until it is removed
///          and has handled what it accepted. The router lives as long as handles and refs to it do.
/// Threads: every member may be called from any thread at any time; copies are cheap, and of the same router.
/// Order:   see routing.hpp. Adding and removing routees changes which of them is next in turn.
template <class... Signatures>
class router {
 public:
  using protocol = actors::protocol<Signatures...>;
  using ref_type = actor_ref<Signatures...>;

  /// `how` is a choice of routing.hpp. Routees that are empty or repeated are not added.
  /// Errors: throws std::bad_alloc.
  template <class How>
    requires(!std::same_as<How, router>)
  explicit router(How how, const std::vector<ref_type>& routees = {}) : target_(make(std::move(how))) {
    for (const ref_type& r : routees) (void)add(r);
  }

  /// Where to send to. Never empty; may be given to others, and registered under a name.
  [[nodiscard]] ref_type ref() const noexcept { return ref_type(detail::target_ptr(target_.get())); }

  /// Errors: errc::failed_precondition (empty ref), errc::already_exists. Throws std::logic_error if `routee` is this
  ///         router, or one that sends to it; std::bad_alloc.
  result<void> add(const ref_type& routee) const {
    if (!routee) return fail(detail::empty_ref());
    if (!target_->add(detail::routee(routee.target()))) return fail(errc::already_exists);
    return {};
  }

  /// What is on its way to `routee` may still reach it. True if it was one.   Errors: throws std::bad_alloc.
  bool remove(const ref_type& routee) const { return routee && target_->remove(*routee.target()); }

  /// How many there are. One that has ended counts until a message was to go to it.
  [[nodiscard]] std::size_t size() const { return target_->routees()->size(); }
  [[nodiscard]] std::vector<ref_type> routees() const {
    std::vector<ref_type> all;
    const auto now = target_->routees();
    for (const detail::routee& r : *now) all.emplace_back(r.to);
    return all;
  }

 private:
  using target_type = detail::router_target;
  using one_of = detail::one_of_router;
  using choice = one_of::choice;

  static target_type* make(round_robin) { return new one_of(protocol::info(), choice::in_turn); }
  static target_type* make(random_choice how) { return new one_of(protocol::info(), choice::at_random, how.seed); }
  static target_type* make(least_loaded) { return new one_of(protocol::info(), choice::least_loaded); }
  static target_type* make(two_choices how) { return new one_of(protocol::info(), choice::of_two, how.seed); }
  template <class... Functions>
  static target_type* make(by_key<Functions...> how) {
    constexpr bool fits = (gives_key<by_key<Functions...>, Signatures> && ...);
    static_assert(fits, "by_key() needs, for each message of the protocol, a function that takes it as const Message& "
                        "and gives an integer, an enumeration or text");
    if constexpr (fits) return new detail::keyed_router<by_key<Functions...>, Signatures...>(std::move(how));
  }
  static target_type* make(broadcast how) {
    constexpr bool fits = (detail::told_to_many<Signatures> && ...);
    static_assert(fits, "a broadcast is for void(Message) only, where Message is copyable, and movable without "
                        "throwing; to ask many, use first_success or ask_all(); if it cannot be copied, send "
                        "std::shared_ptr<const Message>");
    if constexpr (fits)
      return new detail::typed_fanout<Signatures...>("router (broadcast)", how.behind, false);
  }
  static target_type* make(first_success) {
    constexpr bool fits = (detail::asked_of_many<Signatures> && ...);
    static_assert(fits, "first_success is for Reply(Message) only, where Message is copyable; to tell all, use "
                        "broadcast");
    if constexpr (fits) return new detail::scatter_router<Signatures...>;
  }

  template <class KeyOf, class S>
  static constexpr bool gives_key = requires(const KeyOf& f, const typename detail::signature<S>::message& m) {
    requires detail::routing_key<std::remove_cvref_t<decltype(f(m))>>;
  };

  detail::basic_target_ptr<target_type> target_;
};

}  // namespace tandem::actors
