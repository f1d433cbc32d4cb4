// What is common to all completions: a one-shot result that one side gives and the other waits for.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/sync.hpp>

namespace tandem::detail {

class task_record;
struct wait_kind;

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

  /// The completing side, once. Wakes the waiter.
  template <class T>
  void complete_with(result<T>&& outcome) noexcept {
    std::construct_at(static_cast<result<T>*>(place()), std::move(outcome));
    publish();
  }
  /// The waiting side, once, after is_ready(). `T` is that of complete_with().
  template <class T>
  [[nodiscard]] result<T> take() {
    if_untaken_ = untaken::nothing;
    return std::move(*static_cast<result<T>*>(place()));
  }

  /// The task that completes it, if it is one.
  [[nodiscard]] virtual task_record* completing_task() noexcept { return nullptr; }
  /// What a task that joins it waits for.
  [[nodiscard]] virtual const wait_kind& joined_as() const noexcept;

 protected:
  /// What the last owner does with an outcome nobody took.
  enum class untaken : std::uint8_t { nothing, report, escalate };

  completion_base() noexcept {}
  virtual ~completion_base() = default;

  /// The memory of the outcome, which exists from publish() on; derived classes destroy it.
  [[nodiscard]] virtual void* place() noexcept = 0;

  /// The outcome is there.
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

  /// Of a task's record: see task_table, which reads it whether there is a record or not. So no constructor writes it.
  std::uint8_t listing_;

 private:
  sync::atomic<std::uint32_t> shares_{2};
  completion_waiter* waiter_ = nullptr;    // guarded by lock_
};

}  // namespace tandem::detail
