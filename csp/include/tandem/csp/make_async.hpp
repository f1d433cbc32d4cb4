// Blocking functions as functions that a task awaits, and may give up on.
//
//   auto lookup = make_async(blocking_lookup);  // result<address> blocking_lookup(std::string host)
//   result<address> found = co_await with_timeout(2s, lookup("example.org"));
#pragma once
#include <atomic>
#include <concepts>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/this_task.hpp>

namespace tandem::csp {

namespace detail {

/// One call: what it needs, on whichever side lives longer.
template <class F, class... Args>
struct blocking_invocation {
  blocking_invocation(std::shared_ptr<F> f, std::tuple<Args...>&& a)
      : function(std::move(f)), arguments(std::move(a)) {}

  using raw = std::invoke_result_t<F&, Args...>;
  using value = tandem::detail::plain_value_t<raw>;

  result<value> run() {
    // Relaxed: a hint. Who sees it too late runs a call that nobody waits for.
    if (abandoned.load(std::memory_order_relaxed)) return fail(errc::cancelled);
    std::tuple<Args...> taken(std::move(arguments));  // destroyed here, where it may block
    const std::shared_ptr<F> called = std::move(function);
    if constexpr (std::is_void_v<raw>) {
      std::apply(*called, std::move(taken));
      return {};
    } else {
      return std::apply(*called, std::move(taken));
    }
  }

  std::shared_ptr<F> function;
  std::tuple<Args...> arguments;
  std::atomic<bool> abandoned{false};  // written by the awaiting side, at its end
};

template <class F, class... Args>
task<result<typename blocking_invocation<F, Args...>::value>> call_blocking(
    std::shared_ptr<blocking_invocation<F, Args...>> call) {
  if (auto go_on = this_task::check(); !go_on) co_return fail(std::move(go_on).error());
  struct abandon_at_end {
    explicit abandon_at_end(std::atomic<bool>& f) noexcept : flag(f) {}
    ~abandon_at_end() { flag.store(true, std::memory_order_relaxed); }
    std::atomic<bool>& flag;
  };
  const abandon_at_end end(call->abandoned);
  auto running = run_blocking([call] { return call->run(); });
  co_return co_await running.join();
}

}  // namespace detail

/// A blocking function as make_async() gives it. Calling it gives a task, to be awaited by a task of a runtime.
///
/// Owns:    a share of the function. Each call has a share of its own, and copies of its arguments.
/// Threads: any number of calls may be under way at once; they call one function object from several threads.
template <class F>
class async_function {
 public:
  explicit async_function(F f) : function_(std::make_shared<F>(std::move(f))) {}

  /// Runs the function on the blocking pool (run_blocking()) with decayed copies of `args`, moved in.
  ///
  /// Suspends: until the function has returned, or the caller's context is over.
  /// Cancel:   ends the wait at once. A call that has not begun then never runs. One that has runs to its end; its
  ///           result is then destroyed on the pool's thread, unseen: a value as well as an error or an exception, as
  ///           the caller has been told already that it gave up. Nothing is called in a context that is over.
  /// Errors:   those of the function, and what it throws as from_exception() makes it; errc::cancelled,
  ///           errc::deadline_exceeded. Throws what run_blocking() throws.
  template <class... Args>
    requires std::invocable<F&, std::decay_t<Args>...>
  [[nodiscard]] auto operator()(Args&&... args) const {
    using call = detail::blocking_invocation<F, std::decay_t<Args>...>;
    return detail::call_blocking(
        std::make_shared<call>(function_, std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)));
  }

 private:
  std::shared_ptr<F> function_;
};

/// `f`, which blocks, as a function that suspends; see async_function. It gives a value, a result, or nothing. It must
/// not refer to what may be gone when an abandoned call still runs: take arguments by value. And pass values: a pointer
/// or a view is copied as such, and becomes the parameter's type only when the call begins, so
/// `lookup(std::string(name))`, not `lookup(name.c_str())`.
template <class F>
[[nodiscard]] async_function<std::decay_t<F>> make_async(F&& f) {
  return async_function<std::decay_t<F>>(std::forward<F>(f));
}

}  // namespace tandem::csp
