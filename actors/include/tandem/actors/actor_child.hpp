// actor_child(): an actor as the child of a supervisor. Its refs are there from the beginning, and stay valid over
// restarts.
//
//   auto prices = actor_child<price_table>(sys, "prices", path);
//   const auto table = prices.ref();  // may be told and asked before the actor runs
//   auto tree = start_supervisor(sys, {.name = "market"}, std::move(prices), task_child("feed", &read_feed));
#pragma once
#include <concepts>
#include <cstdint>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <tandem/actors/child_spec.hpp>
#include <tandem/actors/detail/supervised_actor.hpp>
#include <tandem/actors/dynamic_supervisor.hpp>
#include <tandem/actors/spawn_options.hpp>
#include <tandem/actors/system.hpp>

namespace tandem::actors {

/// What a restart does with the messages that an actor had not come to.
enum class waiting_mail : std::uint8_t {
  keep,  ///< The next life handles them. The one that the last life failed at is gone.
  drop,  ///< They are dead letters; their askers get errc::unavailable.
};

struct actor_child_options {
  /*implicit*/ actor_child_options(child_options o) : child(std::move(o)) {}
  /*implicit*/ actor_child_options(const char* id, std::source_location here = std::source_location::current())
      : child(id, here) {}

  child_options child;  ///< The id is the actor's name in reports, too.
  std::size_t mailbox_capacity = spawn_actor_options::default_capacity;
  overflow when_full = overflow::wait;
  waiting_mail on_restart = waiting_mail::keep;
  /// Each object's `snapshot() const` is called before it is destroyed, on a worker, and what it gave becomes the last
  /// argument of the next object's constructor; if that throws, of the one after. The first object, and one after a
  /// snapshot that threw, is made without.
  bool snapshot = false;
};

/// The spec of a child that is an actor.
template <class Ref>
class [[nodiscard]] actor_spec : public child_spec {
 public:
  /// Valid until the spec is deleted: because the child is temporary and has ended, by supervisor::delete_child(), or
  /// with the tree. Then watchers get their `down`; a restart is none. If the supervisor is another's child and is
  /// started again, what was deleted begins as another actor. Empty if the system has been shut down.
  [[nodiscard]] const Ref& ref() const noexcept { return ref_; }

  /// Not for users.
  actor_spec(child_options options, std::shared_ptr<detail::child> what)
      : child_spec(std::move(options), child_type::worker, what), ref_(detail::target_of_supervised(*what)) {}

 private:
  Ref ref_;
};

namespace detail {
[[nodiscard]] supervised_actor_options options_of(const actor_child_options& o);

template <class A, class... Args>
[[nodiscard]] std::shared_ptr<child> make_actor(system& home, const actor_child_options& o, Args... args) {
  if (!o.snapshot)
    return make_supervised_actor(home, options_of(o), typed_body<A, typename A::protocol>::kind(),
                                 maker_of<A>(std::move(args)...));
  if constexpr (has_snapshot<A, Args...>) {
    return make_supervised_actor(home, options_of(o),
                                 kind_named_after<A, typed_body<leaves_snapshot<A>, typename A::protocol>>(),
                                 snapshot_maker_of<A>(std::move(args)...));
  } else {
    throw std::logic_error(
        "actor_child_options::snapshot needs a class that is not final, with a member snapshot() const and a "
        "constructor that takes what that gives after the other arguments");
  }
}

template <class F, class... Args>
[[nodiscard]] std::shared_ptr<child> make_function_actor(system& home, const actor_child_options& o, F function,
                                                         Args... args) {
  if (o.snapshot) throw std::logic_error("actor_child_options::snapshot needs an actor that is a class");
  return make_supervised_actor(home, options_of(o), function_body<F, inbox_of<F>, Args...>::kind(),
                               function_maker_of(std::move(function), std::move(args)...));
}
}  // namespace detail

/// A child that is an actor of class A: see system::spawn(). It is constructed by the supervisor's task, for each life,
/// from copies of `args` (std::ref() for what is to be shared), and is up when that is done; an exception is a failed
/// start. It ends when it quits or fails. It is stopped as by an exit: the handler that runs is interrupted, and the
/// object destroyed. One whose handler does not end is left behind; its next life fails to start until it has.
///
/// Handlers run under a context that inherits nothing but the values of the system's.
///
/// Owns:   an actor that has not begun: the system's shutdown waits for it to be started, or its spec to go.
/// Errors: throws std::logic_error for a snapshot of a class without one, and std::bad_alloc.
template <class A, class... Args>
[[nodiscard]] actor_spec<typename A::protocol::ref> actor_child(system& home, actor_child_options options,
                                                                Args&&... args) {
  static_assert(detail::made_from<A, std::decay_t<Args>...>,
                "the actor is constructed from the arguments, as const lvalues");
  auto what = detail::make_actor<A, std::decay_t<Args>...>(home, options, std::forward<Args>(args)...);
  return actor_spec<typename A::protocol::ref>(std::move(options.child), std::move(what));
}

/// A child that is an actor of one coroutine, `f(inbox, args…)`: see inbox.hpp.
template <class F, class... Args>
  requires(detail::actor_function<F, const std::decay_t<Args>&...>)
[[nodiscard]] auto actor_child(system& home, actor_child_options options, F&& f, Args&&... args) {
  auto what = detail::make_function_actor<std::decay_t<F>, std::decay_t<Args>...>(home, options, std::forward<F>(f),
                                                                                  std::forward<Args>(args)...);
  return actor_spec<typename detail::inbox_of<F>::protocol::ref>(std::move(options.child), std::move(what));
}

/// Children of a dynamic_supervisor that are actors of class A, each constructed from `Args` of its own. The handle of
/// each is its ref.
template <class A, class... Args>
[[nodiscard]] child_template<typename A::protocol::ref(Args...)> actor_template(system& home,
                                                                                actor_child_options options) {
  using ref = typename A::protocol::ref;
  return child_template<ref(Args...)>(options.child, child_type::worker, [&home, options](Args... args) {
    auto what = detail::make_actor<A, std::decay_t<Args>...>(home, options, std::move(args)...);
    ref handle(detail::target_of_supervised(*what));
    return detail::made_child<ref>{std::move(what), std::move(handle)};
  });
}

}  // namespace tandem::actors
