// Who waits at a channel: what can end a wait, and how the waiting party is woken.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include <tandem/runtime/detail/biased_lock.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/selection.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/detail/wait_list.hpp>

namespace tandem::csp::detail {

using tandem::detail::context_error;
using tandem::detail::context_over;
using tandem::detail::current_task;
using tandem::detail::selection;
using tandem::detail::task_of;
using tandem::detail::task_record;
using tandem::detail::wait_list;
using tandem::detail::wait_node;

/// The lock of every channel. A thread is inside of one at a time, and of no other biased lock (C6).
using channel_lock = tandem::detail::biased_lock;

/// What became of an operation. Kept in wait_node::outcome by whoever ends the wait.
enum class progress : std::uint8_t {
  blocked,  // must wait, or still waits
  done,     // took effect
  closed,   // the channel is closed; nothing happened
  over,     // the caller's context is over; nothing happened
};

/// An arm of a select.
struct select_node : wait_node {
  select_node() noexcept : wait_node(owner::select) {}
  selection* select = nullptr;
  std::uint32_t arm = 0;
};

[[nodiscard]] inline select_node& select_of(wait_node& node) noexcept { return static_cast<select_node&>(node); }

/// A plain thread.
class thread_waiter : public wait_node {
 public:
  thread_waiter() noexcept : wait_node(owner::thread) {}

  void wait() {
    std::unique_lock hold(mutex_);
    changed_.wait(hold, [this] { return woken_; });
  }
  void wake() {
    // Notified under the mutex: the waiter owns both and may be gone as soon as it can lock the mutex.
    const std::lock_guard hold(mutex_);
    woken_ = true;
    changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
};

/// Pooled memory that was emptied under a channel's lock. It leaves the way of those that are to be woken, because
/// nothing is freed under the lock.
struct emptied_memory : wait_node {
  explicit emptied_memory(std::size_t n) noexcept : wait_node(owner::nobody), bytes(n) {}
  static void free(emptied_memory& memory) noexcept { tandem::detail::pool_free(&memory, memory.bytes); }
  const std::size_t bytes;  // of the whole object, which this is the first base of
};

/// Lets the owner of a node run whose wait has ended. The node must not be touched after this.
inline void wake(wait_node& node) noexcept {
  switch (node.owned_by) {
    case wait_node::owner::task: return tandem::detail::make_ready(task_of(node));
    case wait_node::owner::select: return tandem::detail::make_ready(select_of(node).select->owner());
    case wait_node::owner::thread: return static_cast<thread_waiter&>(node).wake();
    case wait_node::owner::nobody: return emptied_memory::free(static_cast<emptied_memory&>(node));
  }
}

/// Those whose waits were ended under one lock, to be woken in that order after it is released.
class wake_chain {
 public:
  /// `node` is not linked any more, so the field is ours, and stays suspended until it is woken.
  void add(wait_node& node) noexcept {
    node.next = nullptr;
    *(last_ ? &last_->next : &first_) = &node;
    last_ = &node;
  }
  void wake() noexcept {
    while (first_) detail::wake(*std::exchange(first_, first_->next));
  }

 private:
  wait_node* first_ = nullptr;
  wait_node* last_ = nullptr;
};

}  // namespace tandem::csp::detail
