// actor_context: what an actor knows about itself, and does as itself. Take it as the constructor's first parameter and
// keep a reference.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/actors/spawn_options.hpp>
#include <tandem/errors/error.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::actors {

/// Lives as long as the actor.
/// Threads: every member may be called from any thread while the actor's object lives.
class actor_context {
 public:
  explicit actor_context(detail::local_target& self) noexcept : self_(self) {}
  actor_context(const actor_context&) = delete;
  actor_context& operator=(const actor_context&) = delete;

  /// Ends the actor when the running handler has ended; messages behind it are not handled: asks fail with
  /// errc::unavailable, tells become dead letters. With a reason, the actor failed; watchers are told it.
  void quit(error reason = {}) noexcept { self_.request_exit(std::move(reason), false); }

  /// Empty if it was not given one at spawn.
  [[nodiscard]] std::string_view name() const noexcept;
  [[nodiscard]] std::uint64_t id() const noexcept { return self_.id(); }
  [[nodiscard]] actors::system& system() const noexcept { return self_.home(); }

  /// A ref to this actor, which must be an A. An actor that keeps one keeps itself alive until it quits.
  /// Called from the constructor or a handler only.
  template <class A>
  [[nodiscard]] typename A::protocol::ref self() const noexcept {
    return typename A::protocol::ref(detail::target_ptr(&self_));
  }

  /// Starts an actor as a child of this one: it is told to end when this one ends or is stopped by its supervisor,
  /// which waits for that. Its failure does not concern this one, unless it is watched. While it lives, this actor is
  /// not out of reach. Include system.hpp.
  ///
  /// Errors: as system::spawn(); the ref is also empty if this actor is ending.
  template <class A, class... Args>
  typename A::protocol::ref spawn(spawn_actor_options options, Args&&... args);
  /// The same for an actor that is a function: see inbox.
  template <class F, class... Args>
  auto spawn(spawn_actor_options options, F&& f, Args&&... args);

  /// Sees to it that this actor is sent one `down` when `whom` has ended, at once if it has. It must have a handler
  /// `on(down)`; an actor without one ends with the reason of the other. Watching an actor again before that changes
  /// nothing. A watch keeps neither of the two alive.
  ///
  /// Errors: errc::failed_precondition (empty ref), errc::invalid_argument (the actor itself), errc::unimplemented (an
  ///         actor of another node or system). Throws std::bad_alloc.
  template <class... Signatures>
  result<void> watch(const actor_ref<Signatures...>& whom) {
    return watch_target(whom.target().get());
  }
  /// No `down` comes for it any more. False if it was not watched, or its `down` came, though it may not have been
  /// handled yet.
  template <class... Signatures>
  bool unwatch(const actor_ref<Signatures...>& whom) noexcept {
    return unwatch_target(whom.target().get());
  }

  /// Not for users.
  [[nodiscard]] detail::local_target& target() const noexcept { return self_; }

 private:
  result<void> watch_target(detail::target* whom);
  bool unwatch_target(const detail::target* whom) noexcept;

  detail::local_target& self_;
};

}  // namespace tandem::actors
