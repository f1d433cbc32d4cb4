// with(): policies around a call, the first one outermost.
//
//   const auto careful = with(retry({.attempts = 3}), breaker(), timeout(200ms));  // once: see policy
//   const call get{.method = "get", .idempotent = true};
//   auto fetch_it = [&](const call& c) { return fetch(c.target, path); };
//   result<page> got = co_await careful.run(get, fetch_it);
//   fmt::print("{}\n", to_string(careful));  // retry(…) > breaker(…) > timeout(200ms)
#pragma once
#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <tandem/resilience/call.hpp>
#include <tandem/resilience/policy.hpp>

namespace tandem::resilience {

namespace detail {

template <class F>
struct returned_by {
  using type = std::invoke_result_t<F&>;
};
template <class F>
  requires std::invocable<F&, const call&>
struct returned_by<F> {
  using type = std::invoke_result_t<F&, const call&>;
};

template <class T>
struct value_in {
  using type = T;
};
template <class T>
struct value_in<result<T>> {
  using type = T;
};
/// T of a function that returns task<result<T>>, or task<T>.
template <class F>
using value_of = typename value_in<typename returned_by<F>::type::value_type>::type;

template <class T>
task<result<T>> lift(task<T> body) {
  if constexpr (std::is_void_v<T>) {
    co_await std::move(body);
    co_return result<void>();
  } else {
    co_return co_await std::move(body);
  }
}
template <class T>
task<result<T>> lift(task<result<T>> body) {
  return body;
}

template <class F>
auto invoke_with(F& function, const call& c) {
  if constexpr (std::invocable<F&, const call&>) {
    return lift(function(c));
  } else {
    return lift(function());
  }
}

/// What is inside the I-th policy: the next one, or the function.
template <std::size_t I, class Policies, class F>
class layer {
 public:
  layer(const Policies& all, F& function) noexcept : all_(&all), function_(&function) {}

  task<result<value_of<F>>> operator()(const call& c) const {
    if constexpr (I == std::tuple_size_v<Policies>) {
      return invoke_with(*function_, c);
    } else {
      return std::get<I>(*all_).template around<value_of<F>>(c, layer<I + 1, Policies, F>(*all_, *function_));
    }
  }

  /// True if no policy from here on would reject `c` right now.
  [[nodiscard]] bool admits([[maybe_unused]] const call& c) const noexcept {
    if constexpr (I == std::tuple_size_v<Policies>) {
      return true;
    } else {
      return std::get<I>(*all_).admits(c) && layer<I + 1, Policies, F>(*all_, *function_).admits(c);
    }
  }

 private:
  const Policies* all_;
  F* function_;
};

}  // namespace detail

/// What can be called through policies: it gives a task<result<T>>, or a task<T>, and takes nothing or a const call&.
/// Policies may call it more than once, also at once, and keep no value of it.
template <class F>
concept callable = std::invocable<F&, const call&> || std::invocable<F&>;

/// Policies, the first one outermost. Its type and to_string() show the order, which matters: with(retry, timeout)
/// limits each attempt, with(timeout, retry) all of them together.
///
/// Threads: any, at once. A value; copies share the policies.
template <std::derived_from<policy>... Policies>
class composition {
 public:
  explicit composition(Policies... policies)
      : policies_(std::make_shared<const std::tuple<Policies...>>(std::move(policies)...)) {}

  /// Calls `function` inside the policies.
  /// Owns:    `function`, until the call has ended, with all copies of it that policies started.
  /// Cancel:  as what is called, and the policies.
  /// Errors:  those of the function and the policies. An exception that leaves the function passes through them, which
  ///          take it for a failure; it is not tried again.
  template <callable F>
  [[nodiscard]] task<result<detail::value_of<F>>> run(call c, F function) const {
    return run_inside(policies_, c, std::move(function));
  }
  /// A call of which nothing is known, and so not idempotent: retry and hedge do next to nothing.
  template <callable F>
  [[nodiscard]] task<result<detail::value_of<F>>> run(F function) const {
    return run_inside(policies_, call{}, std::move(function));
  }

  /// The policy of that type; there must be one such.
  template <class P>
  [[nodiscard]] const P& get() const noexcept {
    return std::get<P>(*policies_);
  }

  friend std::string to_string(const composition& all) {
    std::string text;
    const auto add = [&](const auto& p) { text += (text.empty() ? "" : " > ") + to_string(p); };
    std::apply([&](const auto&... each) { (add(each), ...); }, *all.policies_);
    return text;
  }

 private:
  using tuple = std::tuple<Policies...>;

  template <class F>
  static task<result<detail::value_of<F>>> run_inside(std::shared_ptr<const tuple> policies, call c, F function) {
    const detail::layer<0, tuple, F> first(*policies, function);
    co_return co_await first(c);
  }

  std::shared_ptr<const tuple> policies_;
};

/// See composition.
template <std::derived_from<policy>... Policies>
[[nodiscard]] composition<Policies...> with(Policies... policies) {
  return composition<Policies...>(std::move(policies)...);
}

}  // namespace tandem::resilience
