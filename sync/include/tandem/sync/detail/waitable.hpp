// What tasks wait at: the base of every primitive here.
#pragma once
#include <cstdint>
#include <utility>

#include <tandem/runtime/detail/biased_lock.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/detail/wait_list.hpp>

namespace tandem::sync::detail {

using tandem::detail::task_of;
using tandem::detail::task_record;
using tandem::detail::wait_node;

/// What became of an operation. Kept in wait_node::outcome by whoever ends the wait.
enum class progress : std::uint8_t {
  blocked,  // must wait, or still waits
  done,     // took effect
  over,     // the caller's context is over; nothing happened
  limit,    // the time is over; nothing happened
};

[[nodiscard]] inline progress outcome_of(const wait_node& node) noexcept { return static_cast<progress>(node.outcome); }
inline void set_outcome(wait_node& node, progress p) noexcept { node.outcome = static_cast<std::uint8_t>(p); }

/// Tasks whose wait was ended under a lock, to be made ready after it is released.
class wake_list {
 public:
  /// `node` is not linked any more, so its `next` is ours.
  void add(wait_node& node) noexcept {
    node.next = nullptr;
    *(last_ ? &last_->next : &first_) = &node;
    last_ = &node;
  }
  /// Each may run, and end, before the next is made ready. One runs next on this worker; several run in the order they
  /// were added, behind what is ready there.
  void wake() noexcept {
    if (!first_) [[likely]] return;
    if (!first_->next) return make_ready(task_of(*std::exchange(first_, nullptr)));
    while (first_) schedule_behind_others(task_of(*std::exchange(first_, first_->next)));
  }

 private:
  wait_node* first_ = nullptr;
  wait_node* last_ = nullptr;
};

/// (Y1) Everything of a primitive is guarded by its lock, under which nothing of the user's runs and no other lock is
///      taken.
/// (Y2) A task is linked from the moment it waits until exactly one party unlinks it, under the lock. That party either
///      sets the outcome or calls the task to try again (task_record::looks), and wakes it after the lock is released.
/// (Y3) An operation may refer to its primitive until co_await has returned.
class waitable {
 public:
  waitable(const waitable&) = delete;
  waitable& operator=(const waitable&) = delete;

  [[nodiscard]] tandem::detail::biased_lock& section() noexcept { return lock_; }

  // Under the lock.
  void link(task_record& task) noexcept { waiters_.push_back(task); }
  void unlink(task_record& task) noexcept { waiters_.unlink(task); }

 protected:
  constexpr waitable() = default;
  /// Destroying it while a task waits would leave that waiting for ever: it says so on stderr, and aborts.
  ~waitable() {
    if (!waiters_.empty()) [[unlikely]] destroyed_with_waiters();
  }

  /// Ends the wait of `node`, which is linked: its operation took effect.
  void complete(wait_node& node, wake_list& woken) noexcept {
    waiters_.unlink(node);
    set_outcome(node, progress::done);
    task_of(node).looks = false;  // nothing to look for
    woken.add(node);
  }
  void complete_all(wake_list& woken) noexcept {
    while (wait_node* const first = waiters_.first()) complete(*first, woken);
  }

  tandem::detail::biased_lock lock_;
  tandem::detail::wait_list waiters_;  // guarded by lock_

 private:
  [[noreturn]] void destroyed_with_waiters() const noexcept;
};

}  // namespace tandem::sync::detail
