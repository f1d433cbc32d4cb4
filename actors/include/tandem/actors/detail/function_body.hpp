// An actor that is one coroutine.
#pragma once
#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <tandem/actors/detail/body.hpp>
#include <tandem/actors/inbox.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::actors::detail {

template <class Inbox>
struct is_inbox : std::false_type {};
template <class... Signatures>
struct is_inbox<inbox<Signatures...>> : std::true_type {};

// The inbox that a function takes first: void if it takes none.
template <class F>
struct inbox_taken_by {
  using type = void;
};
template <class R, class First, class... Rest>
struct inbox_taken_by<R (*)(First, Rest...)> {
  using type = std::conditional_t<is_inbox<std::remove_reference_t<First>>::value && std::is_lvalue_reference_v<First>,
                                  std::remove_reference_t<First>, void>;
};
template <class R, class C, class First, class... Rest>
struct inbox_taken_by<R (C::*)(First, Rest...) const> : inbox_taken_by<R (*)(First, Rest...)> {};
template <class R, class C, class First, class... Rest>
struct inbox_taken_by<R (C::*)(First, Rest...)> : inbox_taken_by<R (*)(First, Rest...)> {};
template <class F>
  requires requires { &F::operator(); }
struct inbox_taken_by<F> : inbox_taken_by<decltype(&F::operator())> {};

template <class F>
using inbox_of = typename inbox_taken_by<std::decay_t<F>>::type;

template <class T>
concept ends_an_actor = std::same_as<T, task<void>> || std::same_as<T, task<result<void>>>;

/// A function that can be an actor: `task<> f(inbox<…>&, args…)` or `task<result<void>> f(inbox<…>&, args…)`.
template <class F, class... Args>
concept actor_function = !std::is_void_v<inbox_of<F>> && requires(std::decay_t<F>& f, inbox_of<F>& in) {
  { std::invoke(f, in, std::declval<std::decay_t<Args>>()...) } -> ends_an_actor;
};

template <class F, class Inbox, class... Args>
class function_body;

template <class F, class... Signatures, class... Args>
class function_body<F, inbox<Signatures...>, Args...> final : public actor_body {
 public:
  template <class G, class... As>
  explicit function_body(actor_context& context, G&& function, As&&... args)
      : inbox_(context), function_(std::forward<G>(function)), args_(std::forward<As>(args)...) {}

  [[nodiscard]] static const actor_kind& kind() {
    static const actor_kind known{
        &protocol<Signatures...>::info,
        [](std::uint32_t hash) { return ((type_hash_of<Signatures>() == hash && hash != 0) || ...); },
        []() -> const std::string& {
          static const std::string text = "actor(" + protocol<Signatures...>::info().text + ")";
          return text;
        },
        true};
    return known;
  }

  [[nodiscard]] step handle(envelope_ptr, const handling& out) noexcept override {
    return invoke<void>(
        [this] {
          return std::apply([this](Args&... args) { return std::invoke(function_, inbox_, std::move(args)...); }, args_);
        },
        nullptr, out);
  }

 private:
  inbox<Signatures...> inbox_;
  F function_;
  std::tuple<Args...> args_;
};

}  // namespace tandem::actors::detail
