// The typed part of an actor: finds the handler for a message, calls it, and answers.
#pragma once
#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include <tandem/actors/actor_context.hpp>
#include <tandem/actors/detail/message.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::actors::detail {

/// What came of giving a message to an actor.
struct handled {
  handled() = default;
  /*implicit*/ handled(error f) noexcept : failure(std::move(f)) {}
  /*implicit*/ handled(task<error> t) noexcept : running(t.release()) {}

  error failure;  // why the actor must end; none: go on
  // A message from outside that does not fit, and why: its sender's mistake, not the actor's.
  envelope_ptr rejected;
  error rejection;
  // A handler that is a coroutine, not started; it yields `failure`. Null: the message was handled.
  std::coroutine_handle<tandem::detail::promise<error>> running;
};

class actor_body {
 public:
  actor_body() = default;
  actor_body(const actor_body&) = delete;
  actor_body& operator=(const actor_body&) = delete;
  virtual ~actor_body() = default;

  /// Handles `message` or, if a coroutine does, prepares that. The body outlives the coroutine.
  [[nodiscard]] virtual handled handle(envelope_ptr message) noexcept = 0;
};

/// What is known about an actor's class before there is an actor.
struct actor_kind {
  const protocol_info& (*protocol)();
  bool (*accepts)(std::uint32_t type_hash);
  bool may_suspend;  // some handler is a coroutine
  const std::string& (*class_name)();
};

template <class T, class R>
concept yields_reply =
    std::same_as<T, R> || std::same_as<T, result<R>> || std::same_as<T, task<R>> || std::same_as<T, task<result<R>>>;

template <class A, class M>
using handler_result = decltype(std::declval<A&>().on(std::declval<M>()));

template <class A, class S>
inline constexpr bool has_handler = false;
template <class A, class R, class M>
  requires requires { typename handler_result<A, M>; }
inline constexpr bool has_handler<A, R(M)> = yields_reply<handler_result<A, M>, R>;

template <class A, class P>
inline constexpr bool has_all_handlers = false;
template <class A, class... S>
inline constexpr bool has_all_handlers<A, protocol<S...>> = (has_handler<A, S> && ...);

/// The asker of a handler that threw learns that the actor is gone, and why.
[[nodiscard]] error handler_threw(std::exception_ptr thrown, const std::string& message);
[[nodiscard]] error not_in_protocol(const std::string& message, const protocol_info& protocol);
[[nodiscard]] error not_parsed(const std::string& message);

template <class M, class R>
using typed_ptr = std::unique_ptr<typed_envelope<M, R>>;

// GCC warns of the coroutine's frame when an actor's class is local to a file, where it is as it should be.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif
/// Runs a handler that is a coroutine and answers its message.
template <class A, class M, class R>
task<error> run_handler(A& actor, typed_ptr<M, R> message) {
  std::exception_ptr thrown;
  try {
    using returned = typename handler_result<A, M>::value_type;
    if constexpr (std::is_void_v<returned>) {
      co_await actor.on(std::move(message->value));
      message->reply({});
    } else {
      result<R> outcome = co_await actor.on(std::move(message->value));
      if constexpr (std::is_void_v<R>) {
        const error failure = outcome ? error() : outcome.error();
        message->reply(std::move(outcome));
        co_return failure;
      } else {
        message->reply(std::move(outcome));
      }
    }
  } catch (...) {
    thrown = std::current_exception();
  }
  if (!thrown) co_return error();
  error failure = handler_threw(std::move(thrown), message->type_name());
  message->fail(failure);
  co_return failure;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

template <class A, class P>
class typed_body;

template <class A, class... Signatures>
class typed_body<A, protocol<Signatures...>> final : public actor_body {
 public:
  template <class... Args>
  explicit typed_body(actor_context& context, Args&&... args)
    requires std::constructible_from<A, actor_context&, Args...>
      : actor_(context, std::forward<Args>(args)...) {}
  template <class... Args>
  explicit typed_body(actor_context&, Args&&... args)
    requires(!std::constructible_from<A, actor_context&, Args...>)
      : actor_(std::forward<Args>(args)...) {}

  [[nodiscard]] static const actor_kind& kind() {
    static const actor_kind known{
        &protocol<Signatures...>::info,
        [](std::uint32_t hash) { return ((type_hash_of<Signatures>() == hash && hash != 0) || ...); },
        (is_coroutine<Signatures> || ...),
        []() -> const std::string& {
          static const std::string text = readable_name(typeid(A));
          return text;
        }};
    return known;
  }

  [[nodiscard]] handled handle(envelope_ptr message) noexcept override {
    handled outcome;
    if ((try_handle(std::type_identity<Signatures>{}, message, outcome) || ...)) return outcome;
    outcome.rejection = not_in_protocol(message->type_name(), *info_);
    outcome.rejected = std::move(message);
    return outcome;
  }

 private:
  template <class S>
  static constexpr bool is_coroutine =
      tandem::detail::is_task<handler_result<A, typename signature<S>::message>>::value;

  template <class S>
  static std::uint32_t type_hash_of() {
    using M = typename signature<S>::message;
    if constexpr (wire_message<M>) {
      return type_of_message<M>().hash;
    } else {
      return 0;
    }
  }

  template <class R, class M>
  bool try_handle(std::type_identity<R(M)>, envelope_ptr& message, handled& outcome) noexcept {
    switch (message->kind()) {
      case envelope::form::typed:
        if (message->tag() != &signature_tag<R(M)>) return false;
        outcome = call<M, R>(typed_ptr<M, R>(static_cast<typed_envelope<M, R>*>(message.release())));
        return true;
      case envelope::form::bytes:
        if constexpr (wire_message<M>) {
          if (message->type_hash() != type_of_message<M>().hash) return false;
          const auto& raw = static_cast<const incoming_envelope&>(*message);
          M parsed;
          if (!decode_from(parsed, raw.bytes())) {
            outcome.rejection = not_parsed(type_of_message<M>().name);
            outcome.rejected = std::move(message);
            return true;
          }
          outcome = call<M, R>(convert<M, R>(std::move(parsed), message));
          return true;
        }
        return false;
      default: {
        const foreign_value found = message->extract(typeid(M));
        if (!found.value) return false;
        M& value = *static_cast<M*>(found.value);
        if (found.exclusive) {
          outcome = call<M, R>(convert<M, R>(std::move(value), message));
        } else if constexpr (std::copy_constructible<M>) {
          outcome = call<M, R>(convert<M, R>(std::as_const(value), message));
        } else {
          return false;
        }
        return true;
      }
    }
  }

  // The bytes or CAF's element are freed before the handler runs.
  template <class M, class R, class T>
  static typed_ptr<M, R> convert(T&& value, envelope_ptr& raw) {
    const time_point deadline = raw->deadline();
    auto sink = raw->take_sink();
    typed_ptr<M, R> made(new converted<M, R>(std::forward<T>(value), deadline, std::move(sink)));
    raw.reset();
    return made;
  }

  template <class M, class R>
  handled call(typed_ptr<M, R> message) noexcept {
    using returned = handler_result<A, M>;
    if constexpr (tandem::detail::is_task<returned>::value) {
      return run_handler<A, M, R>(actor_, std::move(message));
    } else {
      try {
        if constexpr (std::is_void_v<returned>) {
          actor_.on(std::move(message->value));
          message->reply({});
        } else if constexpr (std::is_void_v<R>) {
          result<void> outcome = actor_.on(std::move(message->value));
          error failure = outcome ? error() : outcome.error();
          message->reply(std::move(outcome));
          return failure;
        } else {
          message->reply(actor_.on(std::move(message->value)));
        }
        return {};
      } catch (...) {
        error failure = handler_threw(std::current_exception(), message->type_name());
        message->fail(failure);
        return failure;
      }
    }
  }

  const protocol_info* const info_ = &protocol<Signatures...>::info();
  A actor_;
};

}  // namespace tandem::actors::detail
