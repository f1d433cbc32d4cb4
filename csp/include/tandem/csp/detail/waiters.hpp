// Who waits at a channel: what can end a wait, and how the waiting party is woken.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include <tandem/runtime/detail/biased_lock.hpp>
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

/// Lets the owner of a node run whose wait has ended. The node must not be touched after this.
inline void wake(wait_node& node) noexcept {
  switch (node.owned_by) {
    case wait_node::owner::task: return tandem::detail::make_ready(task_of(node));
    case wait_node::owner::select: return tandem::detail::make_ready(select_of(node).select->owner());
    case wait_node::owner::thread: return static_cast<thread_waiter&>(node).wake();
  }
}

}  // namespace tandem::csp::detail
