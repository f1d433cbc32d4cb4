// What a group and its tasks share.
#pragma once
#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <limits>
#include <source_location>
#include <type_traits>
#include <utility>

#include <tandem/csp/detail/waiters.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp::detail {

/// A body that is to run in a group, and how to call it.
struct group_body {
  task<void> run;
  const char* name;
  std::source_location where;
};

/// Counted: one share for the group, one for each body.
///
/// (G1) A body holds a slot from before it is spawned until ended(). Its frame and captures are gone before ended().
/// (G2) The first error is kept and ends the context; from then on no body starts, so what is queued is dropped.
/// (G3) Nothing of the user's is called or destroyed, no task started and no context cancelled under lock_.
class group_state : public tandem::detail::pooled {
 public:
  explicit group_state(std::source_location where) : site_(where) {}
  group_state(const group_state&) = delete;
  group_state& operator=(const group_state&) = delete;

  void retain() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }  // the caller holds a share
  void release() noexcept {
    // Release: this owner's accesses come before the delete; acquire: the last owner sees all of them.
    if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// Takes a slot if one is free and nobody queues.
  [[nodiscard]] bool try_reserve() noexcept;
  /// Starts a body in a reserved slot, or drops it if the group's context is over.
  void start(group_body body) noexcept;
  /// Starts a body, now or when a slot is free.
  void start_or_queue(group_body body);
  void set_limit(std::size_t n) noexcept;

  /// A body has ended; no error: well.
  void ended(error outcome) noexcept;
  /// Keeps `cause` as the first error, if it is, and ends the context with it.
  void fail_with(error cause) noexcept;
  /// The group is gone.
  void abandon() noexcept;

  [[nodiscard]] const tandem::context& context() const noexcept { return source_.context(); }
  /// The group's verdict, once nothing runs; it counts as seen.
  [[nodiscard]] result<void> verdict() noexcept;

 private:
  friend class drained_operation;

  [[nodiscard]] bool idle() const noexcept { return running_ == 0 && queued_.empty(); }
  /// Spawns a body that has a slot; an error if that cannot be.
  [[nodiscard]] error launch(group_body body) noexcept;
  void start_queued() noexcept;
  static void cancel_drained(task_record& task) noexcept;
  static void leave_drained(task_record& task) noexcept;
  static std::source_location origin(const task_record& task) noexcept;

  static const tandem::detail::wait_kind drained;
  static const tandem::detail::wait_kind drained_patiently;

  const std::source_location site_;
  const cancel_source source_;
  std::atomic<std::uint32_t> shares_{1};

  tandem::detail::spin_lock lock_;  // guards the rest
  std::size_t limit_ = std::numeric_limits<std::size_t>::max();
  std::size_t running_ = 0;
  std::deque<group_body> queued_;
  error first_;
  bool seen_ = true;        // first_ was handed out by verdict(), or there is none
  bool abandoned_ = false;
  wait_node* waiter_ = nullptr;
};

/// A share of a group's state.
class group_share {
 public:
  explicit group_share(group_state& s) noexcept : state_(&s) { s.retain(); }
  group_share(group_share&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  ~group_share() {
    if (state_) state_->release();
  }
  group_state* operator->() const noexcept { return state_; }

 private:
  group_state* state_;
};

/// Waits until nothing of the group runs or queues. Yields false if the caller's context ended the wait.
class [[nodiscard]] drained_operation : public tandem::detail::awaitable_base {
 public:
  enum class mode : std::uint8_t { interruptible, patient };

  drained_operation(group_state& state, mode how) noexcept : state_(state), interruptible_(how == mode::interruptible) {}

  bool await_ready() const noexcept { return false; }
  template <std::derived_from<tandem::detail::promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> coroutine) noexcept {
    return wait(tandem::detail::suspend_here(coroutine, *this));
  }
  bool await_resume() noexcept;

 private:
  bool wait(task_record& task) noexcept;

  group_state& state_;
  bool interruptible_;
  bool waits_ = false;
  progress outcome_ = progress::blocked;
};

template <class R>
concept group_outcome = std::is_void_v<R> || std::same_as<R, result<void>>;

/// Runs one body in its slot.
template <class R>
task<void> run_in_group(group_share state, task<R> body) {
  error outcome;
  try {
    task<R> running(std::move(body));  // gone at the end of this block (G1)
    if constexpr (std::is_void_v<R>) {
      co_await std::move(running).unlisted();
    } else if (auto ended = co_await std::move(running).unlisted(); !ended) {
      outcome = std::move(ended).error();
    }
  } catch (...) {
    outcome = from_exception(std::current_exception());
  }
  state->ended(std::move(outcome));
}

template <class F>
task<void> call_in_group(group_share state, F function) {
  error outcome;
  try {
    F running(std::move(function));  // gone at the end of this block (G1)
    if constexpr (std::same_as<std::invoke_result_t<F&>, task<void>>) {
      co_await running().unlisted();
    } else if (auto ended = co_await running().unlisted(); !ended) {
      outcome = std::move(ended).error();
    }
  } catch (...) {
    outcome = from_exception(std::current_exception());
  }
  state->ended(std::move(outcome));
}

}  // namespace tandem::csp::detail
