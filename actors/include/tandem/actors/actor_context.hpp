// actor_context: what an actor knows about itself, and does as itself. Take it as the constructor's first parameter and
// keep a reference.
//
//   class session {
//    public:
//     using protocol = actors::protocol<void(line), void(refresh)>;
//     explicit session(actor_context& c) : context_(c) {
//       context_.every<session>(30s, refresh{});
//       context_.set_idle_timeout(10min);
//     }
//     void on(line l) { context_.pipe_to_self<session>(store(std::move(l)), [](result<int>) { return refresh{}; }); }
//     void on(refresh) { … }
//     void on(idle) { context_.quit(); }
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/detail/own_message.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/actors/reply_to.hpp>
#include <tandem/actors/self_timer.hpp>
#include <tandem/actors/spawn_options.hpp>
#include <tandem/errors/error.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

namespace detail {
class actor_body;
struct actor_kind;
}  // namespace detail

/// Lives as long as the actor.
///
/// What comes from the actor itself, a timer's message, a task's result, `idle` and `down`, comes before what others
/// sent, and however full the mailbox is. It dies with the actor's object: nothing of it reaches a restarted one.
///
/// Threads: every member may be called from any thread while the actor's object lives; self() only by the constructor
///          and the handlers; those from after() on only by these of an actor that has handlers: they throw
///          std::logic_error otherwise. An actor that is a function has no need of them: see inbox.hpp.
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
  /// As good as the object that was made, though another; it stays for an actor that did not end in time.
  [[nodiscard]] actors::system& system() const noexcept { return self_.home(); }

  /// A ref to this actor, which must be an A. An actor that keeps one keeps itself alive until it quits.
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
  /// `on(down)`, which its protocol need not list; an actor without one ends with the reason of the other. Watching an
  /// actor again before that changes nothing. A watch keeps neither of the two alive. What Erlang calls a monitor.
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

  /// Sends this actor, an A, a message for a void(Message) handler, `delay` from now; zero or less: at once. While it
  /// is to come, the actor does not end for being out of reach.
  ///
  /// Errors: throws std::bad_alloc.
  template <class A, class T>
  self_timer after(duration delay, T&& message) {
    return start_timer<A>(delay, duration::zero(), std::forward<T>(message));
  }

  /// Sends it a copy of a message every `period`, first one period from now, until it is cancelled or the actor ends.
  /// On a grid that does not drift, however late it is handled; at most one waits in the mailbox, as for a ticker. It
  /// keeps the actor from ending for being out of reach.
  ///
  /// Errors: throws std::bad_alloc, and std::invalid_argument for a period of zero or less. An exception of copying the
  ///         message ends the actor.
  template <class A, class T>
  self_timer every(duration period, T&& message) {
    static_assert(std::copy_constructible<typename detail::message_to_self<A, T>::type>,
                  "a message that comes again and again has to be copied");
    check_period(period);
    return start_timer<A>(period, period, std::forward<T>(message));
  }

  /// From now on, sends the actor an `idle` when it has not handled a message for `limit`, and again after each further
  /// `limit` without one. It must have a handler on(idle), which its protocol need not list; an actor without one ends
  /// with errc::failed_precondition. The time counts from the end of a handler. Setting it again starts anew; zero or
  /// less turns it off. An actor that is out of reach ends all the same.
  ///
  /// Errors: throws std::bad_alloc; it is off then.
  void set_idle_timeout(duration limit);

  /// Replaces the actor's object by a B, which takes at least the same messages and is made from `args`, or from an
  /// actor_context& and `args`. B is constructed now and takes over when the running handler has ended (of a reentrant
  /// actor: all that have begun); then the old object is destroyed. So its state can be moved into the new one.
  /// Mailbox, refs, timers, watches, children and stash stay; of two calls in one handler the second counts. Include
  /// system.hpp.
  ///
  /// Errors: throws what B's constructor throws, and std::logic_error if B does not take all messages, or of the two
  ///         classes only one is reentrant; the actor stays what it is then.
  template <class B, class... Args>
  void become(Args&&... args);

  /// Puts a message away for later, which unstash_all() brings back. The stash has room for as many as the mailbox;
  /// when the actor ends, what is in it is treated like what is in the mailbox.
  ///
  /// Errors: errc::resource_exhausted if there is no room; message and `to` are the caller's still. Throws
  ///         std::bad_alloc.
  template <class A, class T>
  result<void> stash(T&& message) {
    return put_away<A, void>(
        [&]<class M>(std::type_identity<M>) { return new detail::told<M>(std::forward<T>(message)); },
        std::type_identity<T>());
  }
  /// Likewise an ask, by a handler that is given the answer's address. The asker's limit goes on: an ask that is late
  /// when its turn comes is not handled.   Errors: as above, and throws std::logic_error if `to` is empty.
  template <class A, class T, class R>
  result<void> stash(T&& message, reply_to<R>&& to) {
    if (!to) [[unlikely]] detail::answered_before("stash()");
    return put_away<A, R>(
        [&]<class M>(std::type_identity<M>) {
          return new detail::forwarded<M, R>(std::forward<T>(message), to.release());
        },
        std::type_identity<T>());
  }

  /// Brings back all that was stashed, in the order it was put away, before everything that waits in the mailbox
  /// without being urgent. Gives how many.
  std::size_t unstash_all();

  /// Runs `body` as a task of its own, under the actor's context, while the actor goes on with other messages; then
  /// calls `f` with its result, and sends the actor what that gives, a message for a void(Message) handler. `f` runs in
  /// the actor's turn, so it may use the actor's object, as the task may not; an exception of the task comes as an
  /// error, one of `f` ends the actor.
  ///
  /// The actor does not end before the task has. When it is told to end it interrupts the task and drops its result; an
  /// error other than of being interrupted becomes a dead letter.
  ///
  /// Errors: throws std::bad_alloc.
  template <class A, class T, class F>
  void pipe_to_self(task<T> body, F f, std::source_location where = std::source_location::current()) {
    using R = tandem::detail::plain_value_t<T>;
    static_assert(std::invocable<F&, result<R>>, "the function has to take the task's result<T>");
    if constexpr (std::invocable<F&, result<R>>) {
      using to_self = detail::message_to_self<A, std::invoke_result_t<F&, result<R>>>;
      static_assert(to_self::ok, "what the function returns has to be a message for a void(Message) handler of A");
      if constexpr (to_self::ok) {
        using piped = detail::piped_result<R, typename to_self::type, F>;
        auto message = std::make_unique<piped>(life(), std::move(f));
        start_errand(detail::run_errand<T, piped>(begin_errand(), std::move(body), std::move(message)), where);
      }
    }
  }
  /// Likewise for a function that gives the task; it stays alive as long as that.
  template <class A, class G, class F>
    requires task_function<G&>
  void pipe_to_self(G body, F f, std::source_location where = std::source_location::current()) {
    pipe_to_self<A>(tandem::detail::keep_alive(std::move(body)), std::move(f), where);
  }
  /// Not for users.
  [[nodiscard]] detail::local_target& target() const noexcept { return self_; }

 private:
  template <class A, class T>
  self_timer start_timer(duration delay, duration period, T&& message) {
    using to_self = detail::message_to_self<A, T>;
    static_assert(to_self::ok, "an actor sends to itself what A's protocol has a void(Message) for");
    if constexpr (to_self::ok) {
      const time_point first = deadline_after(clock_now(), delay);
      return start(*new detail::message_timer<typename to_self::type>(std::forward<T>(message), first, period), first);
    } else {
      return {};
    }
  }
  template <class A, class R, class F, class T>
  result<void> put_away(const F& make, std::type_identity<T>) {
    using to_self = detail::message_to_self<A, T, R>;
    static_assert(to_self::ok, "A's protocol has no such message, or it is answered otherwise");
    if constexpr (to_self::ok) {
      if (auto room = check_stash(); !room) return room;
      put_away(detail::envelope_ptr(make(std::type_identity<typename to_self::type>())));
    }
    return {};
  }

  self_timer start(detail::own_timer& made, time_point first);
  [[nodiscard]] time_point clock_now() const noexcept;
  static void check_period(duration period);
  result<void> check_stash();
  void put_away(detail::envelope_ptr message);
  void succeed(std::unique_ptr<detail::actor_body> by, const detail::actor_kind& kind);
  [[nodiscard]] detail::own_life& life();
  [[nodiscard]] detail::errand begin_errand();
  void start_errand(task<void> body, std::source_location where);
  result<void> watch_target(detail::target* whom);
  bool unwatch_target(const detail::target* whom) noexcept;

  detail::local_target& self_;
};

}  // namespace tandem::actors
