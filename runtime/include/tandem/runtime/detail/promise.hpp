// What a coroutine knows of its task and of who awaits it, and how the end of one hands on to the next.
#pragma once
#include <cassert>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>

#include <tandem/runtime/detail/config.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/task_record.hpp>

#if TANDEM_NESTED_RESUME
#include <atomic>
#endif

namespace tandem::detail {

/// What the end of a coroutine means to the one that awaits it.
enum class after_end : std::uint8_t {
  awaiter_goes_on,
  awaiter_ends,  ///< It has been given its outcome, and stays suspended for good.
  nothing        ///< There is none.
};

struct promise_base;

/// What comes at the end of a coroutine that does not just go on with its awaiter.
struct end_hook {
  after_end (*end)(promise_base& ended) noexcept;  // decides, and may destroy the frame
  promise_base* awaiter;                           // null for the outermost coroutine
};

/// Base of all promises.
///
/// (P1) It lies at the start of the promise, and the promise two pointers into the frame, so a handle of whatever
///      coroutine is as good as one of promise_base. await_coroutine() checks that.
struct promise_base {
  std::uintptr_t next = 0;  // the frame of the awaiter (P1), or with hook_bit an end_hook; and value_bit
  task_record* record = nullptr;
  const void* await_site = nullptr;  // where it was suspended last; null keeps it out of stacks
#if TANDEM_NESTED_RESUME
  // Two parties meet here: the awaiter, when the nested resume returns to it, and the child's end. The second goes on.
  std::atomic<bool> met{false};
#endif
  static constexpr std::uintptr_t hook_bit = 1, value_bit = 2;  // value_bit: the promise has its value

  [[nodiscard]] void* next_address() const noexcept { return reinterpret_cast<void*>(next & ~(hook_bit | value_bit)); }
  /// Null: the awaiter goes on.
  [[nodiscard]] const end_hook* hook() const noexcept {
    return next & hook_bit ? static_cast<const end_hook*>(next_address()) : nullptr;
  }
  void unhandled_exception() noexcept {
    check_runs();
    record->hold_exception(std::current_exception());
  }

  /// For unhandled_exception(). A destructor that throws while the frame is destroyed gets there as well, and would let
  /// the coroutine end a second time: it ends the program. What runs is the innermost, and what is destroyed is not.
  void check_runs() const noexcept {
    if (record->innermost != this) std::terminate();
  }

  static void* operator new(std::size_t bytes) { return pool_allocate(bytes); }
  [[gnu::always_inline]] static void operator delete(void* memory, std::size_t bytes) noexcept {
    pool_free(memory, bytes);
  }

  std::suspend_always initial_suspend() const noexcept { return {}; }

  struct final_awaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> self) const noexcept;
    void await_resume() const noexcept {}
  };
  final_awaiter final_suspend() const noexcept { return {}; }
};

/// The coroutine that awaits `p`, or null.
[[nodiscard]] inline promise_base* awaiter_of(const promise_base& p) noexcept {
  if (const end_hook* const hook = p.hook()) return hook->awaiter;
  void* const frame = p.next_address();
  return frame ? &std::coroutine_handle<promise_base>::from_address(frame).promise() : nullptr;
}

// The end of a coroutine: `ended` has its outcome and is suspended for good, at its end or, if what it awaited took it
// along, where it awaited that. From then on it belongs to its awaiter or its hook: the caller must not touch it.
#if TANDEM_NESTED_RESUME
/// Runs what comes next, unless the awaiter's own await_suspend() is still there to see to it.
void end_coroutine(promise_base& ended) noexcept;
/// Runs `child`, which has its awaiter. True if the awaiter must stay suspended.
[[nodiscard]] bool run_nested(promise_base& child) noexcept;
#else
[[nodiscard]] std::coroutine_handle<> end_specially(promise_base& ended) noexcept;
/// Gives what runs next.
[[nodiscard]] inline std::coroutine_handle<> end_coroutine(promise_base& ended) noexcept {
  if (ended.hook()) [[unlikely]] return end_specially(ended);
  const auto awaiter = std::coroutine_handle<promise_base>::from_address(ended.next_address());
  ended.record->innermost = &awaiter.promise();
  return awaiter;
}
#endif

template <class Promise>
auto promise_base::final_awaiter::await_suspend(std::coroutine_handle<Promise> self) const noexcept {
  return end_coroutine(self.promise());
}

/// An address of the function this is used in, where debug information has the line of the use.
/// Inlined even without optimisation: else it would be an address of its own.
/// `awaiter`: what is awaited there. Each co_await of a coroutine has its own in the frame, which keeps the compiler from
/// giving two of them one place in the code.
template <class T>
[[nodiscard, gnu::always_inline]] inline const void* address_of_use([[maybe_unused]] const T& awaiter) noexcept {
  const void* here;
#if defined(__x86_64__)
  asm volatile("1: lea 1b(%%rip), %0" : "=r"(here) : "m"(reinterpret_cast<const char&>(awaiter)));
#elif defined(__aarch64__)
  asm volatile("adr %0, ." : "=r"(here) : "m"(reinterpret_cast<const char&>(awaiter)));
#else
  struct caller {
    [[gnu::noinline]] static const char* next() noexcept {
      return static_cast<const char*>(__builtin_return_address(0));
    }
  };
  here = caller::next() - 1;
#endif
  return here;
}

/// What the await_suspend() of an operation begins with: `self` is suspended where this is used, and that is where its
/// task will go on. That function must be inlined into the coroutine for its address to be the coroutine's.
template <std::derived_from<promise_base> P, class T>
[[nodiscard, gnu::always_inline]] inline task_record& suspend_here(std::coroutine_handle<P> self,
                                                                   const T& operation) noexcept {
  P& p = self.promise();
  p.await_site = address_of_use(operation);
  return *p.record;
}

/// The await_suspend() of whoever awaits a coroutine: `child` runs, and `parent` when that has ended.
/// `site` is what stacks show for `parent`, if anything. A `hook` names the parent, and stays until the child has ended.
template <std::derived_from<promise_base> Child, std::derived_from<promise_base> Parent>
[[gnu::always_inline]] inline auto await_coroutine(std::coroutine_handle<Child> child,
                                                   std::coroutine_handle<Parent> parent, const void* site,
                                                   const end_hook* hook = nullptr) noexcept {
  static_assert(alignof(Parent) <= 2 * sizeof(void*) && alignof(promise_base) <= 2 * sizeof(void*));  // P1
  Child& p = child.promise();
  p.next = hook ? reinterpret_cast<std::uintptr_t>(hook) | promise_base::hook_bit
                : reinterpret_cast<std::uintptr_t>(parent.address());
  assert(awaiter_of(p) == &parent.promise());  // P1
  p.record = parent.promise().record;
  parent.promise().await_site = site;
  p.record->innermost = &p;
#if TANDEM_NESTED_RESUME
  return run_nested(p);
#else
  return std::coroutine_handle<>(child);
#endif
}

/// Makes `outermost` the coroutine that `task` starts with. `hook` lives as long as that.
template <std::derived_from<promise_base> Promise>
void begin_with(task_record& task, std::coroutine_handle<Promise> outermost, const end_hook& hook) noexcept {
  Promise& p = outermost.promise();
  p.record = &task;
  p.next = reinterpret_cast<std::uintptr_t>(&hook) | promise_base::hook_bit;
  task.innermost = &p;
}

}  // namespace tandem::detail
