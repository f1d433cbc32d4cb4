// A one-shot result: one side completes it, the other waits for it. Joins, asks and blocking calls are made of it.
#pragma once
#include <cstdint>
#include <mutex>
#include <memory>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/selection.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/sync.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/detail/timer.hpp>
#include <tandem/runtime/detail/worker.hpp>

namespace tandem::detail {

/// Somebody who waits for a completion: an arm of a selection, or a thread.
struct completion_waiter {
  using wake_function = void (*)(completion_waiter&) noexcept;
  explicit completion_waiter(wake_function w) noexcept : wake(w) {}
  wake_function wake;  // called once, under the completion's lock
};

/// The part that does not depend on the type of the result. Reference counted: one share per side.
class completion_base : public pooled {
 public:
  completion_base(const completion_base&) = delete;
  completion_base& operator=(const completion_base&) = delete;

  void retain() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }  // the caller holds a share already
  void release() noexcept {
    // Release orders this side's accesses before the delete; acquire lets the last one see them all. Whoever holds the
    // only share need not write it: nobody else can add one.
    if (shares_.load(std::memory_order_acquire) == 1 || shares_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }

  /// Registers the one waiter. It is not kept if the result is there already, or another waiter is.
  enum class registration : std::uint8_t { registered, ready, occupied };
  [[nodiscard]] registration add_waiter(completion_waiter& waiter) noexcept {
    const std::lock_guard hold(lock_);
    if (ready_.load(std::memory_order_relaxed)) return registration::ready;
    if (waiter_) return registration::occupied;
    waiter_ = &waiter;
    return registration::registered;
  }
  /// When it returns, the waiter has either been woken completely or will not be.
  void remove_waiter(const completion_waiter& waiter) noexcept {
    const std::lock_guard hold(lock_);
    if (waiter_ == &waiter) waiter_ = nullptr;
  }

  /// Acquire: a true answer makes the result visible (pairs with the release in publish()).
  [[nodiscard]] bool is_ready() const noexcept { return ready_.load(std::memory_order_acquire); }

  /// The task that completes it, if it is one.
  [[nodiscard]] virtual task_record* completing_task() noexcept { return nullptr; }
  /// What a task that joins it waits for.
  [[nodiscard]] virtual const wait_kind& joined_as() const noexcept;

 protected:
  /// What the last owner does with an outcome nobody took.
  enum class untaken : std::uint8_t { nothing, report, escalate };

  completion_base() = default;
  virtual ~completion_base() = default;

  void publish() noexcept {
    const std::lock_guard hold(lock_);
    ready_.store(true, std::memory_order_release);
    if (completion_waiter* waiter = std::exchange(waiter_, nullptr)) waiter->wake(*waiter);
  }

 private:
  spin_lock lock_;
  sync::atomic<bool> ready_{false};  // written under lock_

 protected:
  // Written by the completing side before publish(), by the waiting side after is_ready(), read by the last owner.
  untaken if_untaken_ = untaken::nothing;

 private:
  sync::atomic<std::uint32_t> shares_{2};
  completion_waiter* waiter_ = nullptr;    // guarded by lock_
};

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

/// completion_base with room for a result<T>.
template <class T>
class completion : public completion_base {
  static_assert(pool_aligned<T>, "a result cannot be aligned more strictly than operator new aligns");

 public:
  completion() noexcept {}
  ~completion() override {
    if (is_ready()) std::destroy_at(&outcome_);
  }

  /// The completing side, once. Wakes the waiter.
  void complete(result<T>&& outcome) noexcept {
    std::construct_at(&outcome_, std::move(outcome));
    publish();
  }
  /// The waiting side, once, after is_ready().
  [[nodiscard]] result<T> take() noexcept {
    if_untaken_ = untaken::nothing;
    return std::move(outcome_);
  }

 protected:
  // Exists from publish() on. In a union, because a flag of its own would cost eight bytes.
  union {
    result<T> outcome_;
  };
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

/// Owns one share of a completion.
template <class T>
class completion_ptr {
 public:
  completion_ptr() = default;
  explicit completion_ptr(completion<T>* adopted) noexcept : target_(adopted) {}
  completion_ptr(completion_ptr&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  completion_ptr& operator=(completion_ptr other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~completion_ptr() {
    if (target_) target_->release();
  }
  [[nodiscard]] completion<T>* get() const noexcept { return target_; }
  completion<T>* operator->() const noexcept { return target_; }
  explicit operator bool() const noexcept { return target_ != nullptr; }

 private:
  completion<T>* target_ = nullptr;
};

}  // namespace tandem::detail
