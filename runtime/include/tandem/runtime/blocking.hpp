// Calls that block a thread (file system, name lookup, C libraries) run on a pool of their own.
#pragma once
#include <exception>
#include <type_traits>
#include <utility>

#include <tandem/errors/exception.hpp>
#include <tandem/runtime/spawn.hpp>

namespace tandem {

namespace detail {

/// Queues `work` on the blocking pool of `s`. Takes ownership: `work.run` frees it.
void submit_blocking(scheduler& s, pool_job& work);

template <class F>
class blocking_call final : public completion<plain_value_t<std::invoke_result_t<F&>>>, public pool_job {
  using raw = std::invoke_result_t<F&>;
  using value = plain_value_t<raw>;

 public:
  explicit blocking_call(F f) : pool_job(&run_call), function_(std::move(f)) {}

  [[nodiscard]] const wait_kind& joined_as() const noexcept override {
    static constexpr wait_kind kind{"a blocking call", &completion_wait::cancel, nullptr, &completion_wait::leave};
    return kind;
  }

 private:
  static void run_call(job& self) noexcept {
    auto& call = static_cast<blocking_call&>(self);
    call.complete(call.invoke());
    call.release();
  }
  result<value> invoke() noexcept {
    try {
      if constexpr (std::is_void_v<raw>) {
        function_();
        return {};
      } else {
        return function_();
      }
    } catch (...) {
      return fail(from_exception(std::current_exception()));
    }
  }

  F function_;
};

template <class F>
join_handle<std::invoke_result_t<F&>> run_blocking_on(scheduler& s, F function) {
  auto* call = new blocking_call<F>(std::move(function));
  join_handle<std::invoke_result_t<F&>> handle(call);
  try {
    submit_blocking(s, *call);
  } catch (...) {
    call->release();  // nobody else will
    throw;
  }
  return handle;
}

}  // namespace detail

/// Runs `function()` on a thread that may block, so that no worker does. Returns at once; join the handle.
///
/// Threads: at most runtime_options::blocking_threads calls run at a time, or as many as the system gives threads;
///          later ones queue in order. A thread that had nothing to do for 10 s leaves.
/// Cancel:  leaving the join does not stop the call: it runs to its end, and its result is dropped.
/// Errors:  those of `function`; what it throws arrives as an error. Throws std::bad_alloc, and std::system_error if
///          not even one thread can be had. Throws std::logic_error if no task of a runtime calls it.
template <class F>
  requires std::invocable<F&>
auto run_blocking(F function) {
  return detail::run_blocking_on(detail::scheduler_of_caller("run_blocking()"), std::move(function));
}

}  // namespace tandem
