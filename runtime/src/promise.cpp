#include <tandem/runtime/detail/promise.hpp>

#include <tandem/runtime/detail/worker.hpp>

namespace tandem::detail {
namespace {

// From here on the awaiter is what runs, so that destructors which the hook calls find it so.
after_end settle(promise_base& ended, promise_base* awaiter) noexcept {
  ended.record->innermost = awaiter;
  const end_hook* const hook = ended.hook();
  return hook ? hook->end(ended) : after_end::awaiter_goes_on;
}

std::coroutine_handle<> handle_of(promise_base* p) noexcept {
  return p ? std::coroutine_handle<promise_base>::from_promise(*p) : nullptr;
}

}  // namespace

// Loops rather than recursion: a failure may pass through any number of coroutines.
#if TANDEM_NESTED_RESUME

TANDEM_DETAIL_RUNS_TASKS static void resume_nested(std::coroutine_handle<> what) noexcept {
  resume_directly(what);
  asm volatile("" ::: "memory");  // no tail call: this function is where stacks end
}

void end_coroutine(promise_base& first) noexcept {
  promise_base* ended = &first;
  for (;;) {
    promise_base* const awaiter = awaiter_of(*ended);
    const std::coroutine_handle<> next = handle_of(awaiter);
    if (awaiter && !ended->met.exchange(true, std::memory_order_acq_rel)) return;
    switch (settle(*ended, awaiter)) {
      case after_end::awaiter_goes_on:
        return resume_nested(next);
      case after_end::awaiter_ends:
        ended = awaiter;
        break;
      case after_end::nothing:
        return;
    }
  }
}

bool run_nested(promise_base& child) noexcept {
  promise_base& awaiter = *awaiter_of(child);
  resume_nested(handle_of(&child));
  if (!child.met.exchange(true, std::memory_order_acq_rel)) return true;  // its end goes on without us
  set_running(*tls_worker, child.record);  // an operation that handed the task over may have cleared that
  if (settle(child, &awaiter) == after_end::awaiter_goes_on) return false;
  end_coroutine(awaiter);
  return true;
}

#else

std::coroutine_handle<> end_specially(promise_base& first) noexcept {
  promise_base* ended = &first;
  for (;;) {
    promise_base* const awaiter = awaiter_of(*ended);
    switch (settle(*ended, awaiter)) {
      case after_end::awaiter_goes_on:
        return handle_of(awaiter);
      case after_end::awaiter_ends:
        ended = awaiter;
        break;
      case after_end::nothing:
        return std::noop_coroutine();
    }
  }
}

#endif

}  // namespace tandem::detail
