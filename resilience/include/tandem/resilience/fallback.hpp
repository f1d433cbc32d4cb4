// fallback: what is given instead of an error.
//
//   with(fallback<prices>(last_known), timeout(100ms)).run(fetch_prices)
//   with(fallback<page>([&](const error&) { return read_copy(path); }), breaker()).run(fetch_page)
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <tandem/resilience/policy.hpp>

namespace tandem::resilience {

struct fallback_options {
  /// For which errors. Default: is_failure_of_target(), and errc::circuit_open.
  std::function<bool(const error&)> when = {};
  std::string name = {};
};

namespace detail {

class fallback_state : public policy_state {
 public:
  fallback_state(fallback_options options, const char* what);

  void called() noexcept { calls_.fetch_add(1, std::memory_order_relaxed); }  // the counters are numbers for reports
  /// True if there is to be something instead of `e`, which is counted. For the task that was given `e`.
  [[nodiscard]] bool stands_in_for(const error& e);
  /// The fallback failed, too.
  [[nodiscard]] error failed(error first, error second);

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

 private:
  const fallback_options options_;
  const char* const what_;
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> failed_{0};
};

template <class V>
class fallback_to : public fallback_state {
 public:
  using function = std::function<task<result<V>>(const error&)>;
  fallback_to(function give, fallback_options options, const char* what)
      : fallback_state(std::move(options), what), give_(std::move(give)) {
    if (!give_) throw std::invalid_argument("fallback: the function is empty");
  }
  [[nodiscard]] task<result<V>> give(const error& e) const { return give_(e); }

 private:
  const function give_;
};

}  // namespace detail

/// Gives a value, or what a function gives, instead of the errors that its options choose. What only says that the
/// caller's context is over is passed on whatever they choose, for nobody waits for a value then.
///
/// Only around what gives a V, or a result<V>.
///
/// Errors: those that are not chosen; those of the function, joined behind the one that it was to stand in for, which
///         decides about the code. What the function throws is passed on.
template <class V>
class fallback final : public policy {
 public:
  using value_type = std::conditional_t<std::is_void_v<V>, std::monostate, V>;
  using function = typename detail::fallback_to<V>::function;

  /// A copy of `value` each time.
  explicit fallback(value_type value, fallback_options options = {})
    requires(!std::is_void_v<V>)
      : fallback([value = std::move(value)](const error&) -> task<result<V>> { co_return value; }, std::move(options),
                 "a value") {}
  /// `give` is called with the error, by several tasks at once if need be. It gives a task<result<V>>.
  /// Errors: throws std::invalid_argument if it is empty.
  explicit fallback(function give, fallback_options options = {})
      : fallback(std::move(give), std::move(options), "a function") {}

  template <class T, class Next>
  task<result<T>> around(const call& c, Next next) const {
    static_assert(std::is_same_v<T, V>, "a fallback<V> can only be around what gives a V: name the same type for both");
    auto& mine = state_as<detail::fallback_to<V>>();
    mine.called();
    result<T> outcome = co_await next(c);
    if constexpr (std::is_same_v<T, V>) {
      if (!outcome && mine.stands_in_for(outcome.error())) [[unlikely]] {
        result<V> instead = co_await mine.give(outcome.error());
        if (!instead) instead = fail(mine.failed(std::move(outcome).error(), std::move(instead).error()));
        co_return instead;
      }
    }
    co_return outcome;
  }

 private:
  fallback(function give, fallback_options options, const char* what)
      : policy(std::make_shared<detail::listed<detail::fallback_to<V>>>(std::move(give), std::move(options), what)) {}
};

}  // namespace tandem::resilience
