// system: the actors of one process. Make one on a runtime, spawn actors, look them up by name.
#pragma once
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tandem/actors/actor_context.hpp>
#include <tandem/actors/actor_info.hpp>
#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/dead_letter.hpp>
#include <tandem/actors/detail/body.hpp>
#include <tandem/actors/detail/function_body.hpp>
#include <tandem/actors/fwd.hpp>
#include <tandem/actors/spawn_options.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

namespace detail {
class delivery_gate;
}

struct system_options {
  /// Called for each dead letter, on the thread that noticed; it must not block or throw. Default: a line on stderr for
  /// at most five in a second of the runtime's clock. How many more there were is told when the next comes after that
  /// second, or by the destructor. The destructor waits for calls that other threads have begun.
  std::function<void(const dead_letter&)> on_dead_letter = {};
  /// False: without a handler dead letters are only counted.
  bool log_dead_letters = true;
  /// A line on stderr for an actor that fails and is neither supervised nor watched, nor known to CAF: otherwise nobody
  /// might hear of it. At most five in a second, as above.
  bool log_failures = true;
  /// How long the destructor waits for actors to end.
  duration shutdown_limit = std::chrono::seconds(10);
  /// Not for users: see tandem/testing/actors.hpp.
  detail::delivery_gate* gate = nullptr;
};

namespace detail {
struct system_impl;
class cell;
struct system_access;

/// An actor before it runs: made, but with no object of the user's class in it. Destroyed unlaunched, it has never
/// been.
class nascent_actor {
 public:
  /// `parent` may be null.
  nascent_actor(system& home, spawn_actor_options options, const actor_kind& kind, local_target* parent);
  ~nascent_actor();
  nascent_actor(const nascent_actor&) = delete;
  nascent_actor& operator=(const nascent_actor&) = delete;

  /// False if the system is shutting down: there is no actor.
  [[nodiscard]] explicit operator bool() const noexcept { return cell_ != nullptr; }
  [[nodiscard]] actor_context& context() noexcept;
  /// Gives it its body and lets it run.
  [[nodiscard]] target_ptr launch(std::unique_ptr<actor_body> body) noexcept;

 private:
  void reject() noexcept;

  system_impl& home_;
  cell* cell_ = nullptr;
};

template <class A, class... Args>
typename A::protocol::ref spawn_actor(system& home, local_target* parent, spawn_actor_options options, Args&&... args) {
  static_assert(has_all_handlers<A, typename A::protocol>,
                "the actor needs a public member on(Message) for each signature Reply(Message) of its protocol, "
                "returning Reply, result<Reply>, task<Reply> or task<result<Reply>>; or on(Message, reply_to<Reply>)");
  if constexpr (has_all_handlers<A, typename A::protocol>) {
    using body = typed_body<A, typename A::protocol>;
    nascent_actor made(home, std::move(options), body::kind(), parent);
    if (!made) return {};
    auto object = std::make_unique<body>(made.context(), std::forward<Args>(args)...);
    return typename A::protocol::ref(made.launch(std::move(object)));
  }
  return {};
}

template <class F, class... Args>
auto spawn_function(system& home, local_target* parent, spawn_actor_options options, F&& f, Args&&... args) {
  using body = function_body<std::decay_t<F>, inbox_of<F>, std::decay_t<Args>...>;
  using ref = typename inbox_of<F>::protocol::ref;
  nascent_actor made(home, std::move(options), body::kind(), parent);
  if (!made) return ref();
  auto object = std::make_unique<body>(made.context(), std::forward<F>(f), std::forward<Args>(args)...);
  return ref(made.launch(std::move(object)));
}

template <class R>
concept simulation = requires(R& r) {
  r.run_until_idle();
  r.core();
};
}  // namespace detail

/// Owns the actors, and the CAF actor system they are part of (caf.hpp gives access to it).
///
/// Owns:    its actors' objects. The runtime must outlive it.
/// Threads: every member may be called from any thread, except where said otherwise.
class system {
 public:
  explicit system(runtime& on, system_options options = {});

  /// On a simulated runtime (testing::sim_runtime); the destructor and shutdown() then run it.
  template <detail::simulation R>
  explicit system(R& on, system_options options = {})
      : system(on.core(), on.root_context(), true, std::move(options)) {}

  /// shutdown() with the limit of the options, if that was not done before. Actors that do not end are named on
  /// stderr, and what they need stays in memory for good.
  ~system();
  system(const system&) = delete;
  system& operator=(const system&) = delete;

  /// Starts an actor: constructs A from `args`, or from an actor_context& and `args`, on the calling thread.
  ///
  /// A::protocol lists its messages; for each there is a public member `on(Message)` that returns R, result<R>, task<R>
  /// or task<result<R>>, or one that answers later: see reply_to. One message is handled at a time; a handler that is a
  /// coroutine may wait for anything, and no other message is handled meanwhile. The first error returned by a tell's
  /// handler, or exception escaping any handler, ends the actor with that error: its supervisor and who watches it are
  /// told, or else stderr. An error returned by an ask's handler is its answer.
  /// Handlers run under the actor's context, which is over when the actor ends: so are the tasks they spawn.
  ///
  /// With `static constexpr bool reentrant = true;` in A, other messages are handled while a coroutine handler waits;
  /// only one handler runs at any time, so state needs no lock, but may have changed after each co_await. At most 1024
  /// handlers wait at once, or as many as `static constexpr std::size_t reentrant` says; then messages wait. What ends
  /// the actor, an error of a handler too, interrupts the handlers that wait, and waits for them.
  ///
  /// An actor ends when it quits, fails, is sent an exit message by CAF, becomes unreachable (no ref, no CAF handle,
  /// nothing left to handle), or the system shuts down. Its object is then destroyed, on a worker unless the last
  /// handle was CAF's.
  ///
  /// Errors: throws what A's constructor throws, and std::bad_alloc. Once shutdown() has begun the ref is empty.
  template <class A, class... Args>
  typename A::protocol::ref spawn(spawn_actor_options options, Args&&... args) {
    return detail::spawn_actor<A>(*this, nullptr, std::move(options), std::forward<Args>(args)...);
  }
  template <class A, class... Args>
    requires(std::constructible_from<A, Args...> || std::constructible_from<A, actor_context&, Args...>)
  typename A::protocol::ref spawn(Args&&... args) {
    return spawn<A>(spawn_actor_options(), std::forward<Args>(args)...);
  }

  /// Starts an actor that is one coroutine, `f(inbox, args…)`; inbox.hpp has an example. Its end is the end of the
  /// actor, an error or exception being the reason. `f` and `args` live as long as it runs. Besides, it lives until it
  /// is told to end: when nobody can reach it any more, its receive() says so.
  template <class F, class... Args>
    requires detail::actor_function<F, Args...>
  typename detail::inbox_of<F>::protocol::ref spawn(spawn_actor_options options, F&& f, Args&&... args) {
    return detail::spawn_function(*this, nullptr, std::move(options), std::forward<F>(f), std::forward<Args>(args)...);
  }
  template <class F, class... Args>
    requires detail::actor_function<F, Args...>
  typename detail::inbox_of<F>::protocol::ref spawn(F&& f, Args&&... args) {
    return spawn(spawn_actor_options(), std::forward<F>(f), std::forward<Args>(args)...);
  }

  /// Makes an actor known under a name; the name keeps a ref until it is unregistered or the actor ends.
  /// Errors: errc::already_exists, errc::failed_precondition (empty ref), errc::unavailable (the actor has ended).
  template <class... Signatures>
  result<void> register_name(std::string name, const actor_ref<Signatures...>& ref) {
    return register_target(std::move(name), ref.target());
  }
  /// True if there was such a name.
  bool unregister_name(std::string_view name);

  /// The actor of that name.
  /// Errors: errc::not_found; errc::failed_precondition, naming both protocols, if it does not take all `Signatures`.
  template <class... Signatures>
  [[nodiscard]] result<actor_ref<Signatures...>> lookup(std::string_view name) const {
    auto found = lookup_target(name, protocol<Signatures...>::info());
    if (!found) return fail(std::move(found).error());
    return actor_ref<Signatures...>(std::move(*found));
  }

  /// Ends all actors, tandem's first: running handlers are cancelled, messages in mailboxes are failed or become dead
  /// letters; then waits for CAF's own to end by themselves. Returns when the last has ended.
  /// Errors: errc::deadline_exceeded with the names of those that have not ended within `limit`;
  ///         errc::failed_precondition if the runtime was shut down first, so that nothing can end any more, or on the
  ///         runtime's only worker, where nothing could end as long as it waits.
  /// Blocks the calling thread, which should be no worker.
  result<void> shutdown(duration limit);

  /// Actors spawned with spawn() that have not ended. One that ends counts until a moment after its supervisor and who
  /// watches it were told; shutdown() waits for that moment.
  [[nodiscard]] std::size_t live_actors() const noexcept;
  [[nodiscard]] std::size_t dead_letters() const noexcept;
  /// What they are doing. Takes time in proportion to their number; they go on meanwhile.
  [[nodiscard]] std::vector<actor_info> list_actors() const;

 private:
  friend struct detail::system_access;
  friend struct detail::system_impl;
  system() noexcept;
  system(tandem::detail::scheduler& on, tandem::context root, bool simulated, system_options options);
  result<void> register_target(std::string name, detail::target_ptr target);
  result<detail::target_ptr> lookup_target(std::string_view name, const protocol_info& wanted) const;

  std::unique_ptr<detail::system_impl> impl_;
};

namespace detail {

/// What the cluster's glue needs of a system.
struct system_access {
  /// The live actor with this id; null if there is none.
  [[nodiscard]] static local_target_ptr find(system& s, std::uint64_t id);
  /// The target registered under this name, local or not; null if there is none.
  [[nodiscard]] static target_ptr find(system& s, std::string_view name);
  /// Registers any target, e.g. a remote one.
  static result<void> register_target(system& s, std::string name, target_ptr t) {
    return s.register_target(std::move(name), std::move(t));
  }
  /// Counts it, and calls the handler or logs it.
  static void report(system& s, const dead_letter& letter) noexcept;
  [[nodiscard]] static tandem::detail::scheduler& scheduler_of(system& s) noexcept;
  [[nodiscard]] static system_impl& impl(system& s) noexcept { return *s.impl_; }
};

}  // namespace detail

template <class A, class... Args>
typename A::protocol::ref actor_context::spawn(spawn_actor_options options, Args&&... args) {
  return detail::spawn_actor<A>(system(), &self_, std::move(options), std::forward<Args>(args)...);
}
template <class F, class... Args>
auto actor_context::spawn(spawn_actor_options options, F&& f, Args&&... args) {
  return detail::spawn_function(system(), &self_, std::move(options), std::forward<F>(f), std::forward<Args>(args)...);
}

template <class B, class... Args>
void actor_context::become(Args&&... args) {
  static_assert(detail::has_all_handlers<B, typename B::protocol>,
                "the class to become needs a public member on(Message) for each signature of its protocol, as for "
                "spawn()");
  if constexpr (detail::has_all_handlers<B, typename B::protocol>) {
    using body = detail::typed_body<B, typename B::protocol>;
    succeed(std::make_unique<body>(*this, std::forward<Args>(args)...), body::kind());
  }
}

}  // namespace tandem::actors
