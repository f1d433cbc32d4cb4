// A one-shot result: one side completes it, the other waits for it. Joins, asks and blocking calls are made of it.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/completion_base.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/selection.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/detail/timer.hpp>

namespace tandem::detail {

/// result<U> for both U and result<U>: what a join or an ask yields for a task or handler that returns either.
template <class T>
struct plain_value {
  using type = T;
};
template <class T>
struct plain_value<result<T>> {
  using type = T;
};
template <class T>
using plain_value_t = typename plain_value<T>::type;

/// completion_base with room for a result<T>, for whoever completes it and is no task.
template <class T>
class completion : public completion_base {
  static_assert(pool_aligned<T>, "a result cannot be aligned more strictly than operator new aligns");

 public:
  completion() noexcept {}
  ~completion() override {
    if (is_ready()) std::destroy_at(&outcome_);
  }

  void complete(result<T>&& outcome) noexcept { complete_with(std::move(outcome)); }

 private:
  [[nodiscard]] void* place() noexcept final { return &outcome_; }

  // Exists once it is ready. In a union, because a flag of its own would cost eight bytes.
  union {
    result<T> outcome_;
  };
};

/// A completion of something that is no task. `Kind` tells reports what who joins it waits for; its cancel is
/// completion_wait::cancel.
template <class T, const wait_kind& Kind>
class completion_of final : public completion<T> {
  [[nodiscard]] const wait_kind& joined_as() const noexcept override { return Kind; }
};

/// Waits for a completion, for the caller's context, and for a limit of time: whichever comes first.
///
/// (W1) The node of each waker is removed under the waker's lock in finish(), so none of them can outlive the frame.
class completion_wait : public completion_waiter {
 public:
  completion_wait() noexcept;
  completion_wait(const completion_wait&) = delete;
  completion_wait& operator=(const completion_wait&) = delete;

  enum class ended : std::uint8_t { completed, context, limit, occupied };

  /// True if the task must suspend; from then on it may be running elsewhere.
  /// `what` may be null: then only time or the context end the wait. `kind` tells what the task waits for; its cancel
  /// is completion_wait::cancel. `occupied`: somebody else waits for `what`.
  /// A wait that fails at once spends the slice, so a loop of such waits lets others run.
  /// Errors: throws std::bad_alloc.
  [[nodiscard]] bool start(task_record& task, completion_base* what, time_point limit, const wait_kind& kind);
  static void cancel(task_record& task) noexcept;
  static void leave(task_record& task) noexcept;

  /// start() without a limit, once the tasks that are ready here have had a turn: often `what` is completed by then, as
  /// when a task joins many that it spawned. The task must suspend.
  void start_behind_others(task_record& task, completion_base& what) noexcept;
  /// Its turn after that, on a worker.
  void look() noexcept;
  /// The task that waits. Not before the start.
  [[nodiscard]] task_record& task() const noexcept { return selection_.owner(); }
  /// wait_kind::origin of a join: where the task that is joined was spawned, if it is one.
  static std::source_location joined_site(const task_record& task) noexcept;

  /// Called first thing when the task runs again.
  ended finish() noexcept;

 private:
  static constexpr std::uint32_t arm_completed = 0, arm_context = 1, arm_limit = 2, arm_occupied = 3;

  struct limit_timer : timer_node {
    explicit limit_timer(completion_wait& w) noexcept;
    completion_wait* wait;
  };

  selection selection_;
  completion_base* what_ = nullptr;
  limit_timer timer_;
};

/// Owns one share of a completion whose result is a result<T>.
template <class T>
class completion_ptr {
 public:
  completion_ptr() = default;
  explicit completion_ptr(completion_base* adopted) noexcept : target_(adopted) {}
  completion_ptr(completion_ptr&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  completion_ptr& operator=(completion_ptr other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~completion_ptr() {
    if (target_) target_->release();
  }
  [[nodiscard]] completion_base* get() const noexcept { return target_; }
  completion_base* operator->() const noexcept { return target_; }
  void complete(result<T>&& outcome) const noexcept { target_->complete_with(std::move(outcome)); }
  [[nodiscard]] result<T> take() const { return target_->take<T>(); }
  explicit operator bool() const noexcept { return target_ != nullptr; }

 private:
  completion_base* target_ = nullptr;
};

}  // namespace tandem::detail
