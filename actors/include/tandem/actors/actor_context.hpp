// actor_context: what an actor knows about itself. Take it as the constructor's first parameter and keep a reference.
#pragma once
#include <cstdint>
#include <string_view>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/errors/error.hpp>

namespace tandem::actors {

/// Lives as long as the actor's object.
/// Threads: every member may be called from any thread while the actor's object lives.
class actor_context {
 public:
  actor_context(detail::local_target& self, std::string_view name) noexcept : self_(self), name_(name) {}
  actor_context(const actor_context&) = delete;
  actor_context& operator=(const actor_context&) = delete;

  /// Ends the actor when the running handler has ended; messages behind it are not handled: asks fail with
  /// errc::unavailable, tells become dead letters. With a reason, the actor failed; monitors are told it.
  void quit(error reason = {}) noexcept { self_.request_exit(std::move(reason), false); }

  /// Empty if it was not given one at spawn.
  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] std::uint64_t id() const noexcept { return self_.id(); }
  [[nodiscard]] actors::system& system() const noexcept { return self_.home(); }

  /// A ref to this actor, which must be an A. An actor that keeps one keeps itself alive until it quits.
  /// Called from the constructor or a handler only.
  template <class A>
  [[nodiscard]] typename A::protocol::ref self() const noexcept {
    return typename A::protocol::ref(detail::target_ptr(&self_));
  }

 private:
  detail::local_target& self_;
  std::string_view name_;
};

}  // namespace tandem::actors
