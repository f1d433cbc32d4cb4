// The part of a channel that does not depend on the type of its values: lock, waiters, close, cancel.
#pragma once
#include <cstddef>
#include <cstdint>
#include <source_location>

#include <tandem/csp/detail/waiters.hpp>
#include <tandem/runtime/detail/sync.hpp>

namespace tandem::csp::detail {

class channel_base;

/// What a plain operation of a task is about. It is in the task's frame while the task waits.
struct operands {
  channel_base* where;  // null: of a default-constructed handle
};

/// Invariants, whenever the lock is free ("live": a plain node, or one of a select that is not decided yet):
///
/// (C1) A live receiver is linked only while the buffer is empty, no live sender of another owner is linked and the
///      channel is open. So a value never overtakes another, and close finds nobody to deliver to.
/// (C2) A live sender is linked only while the buffer is full, no live receiver of another owner is linked and the
///      channel is open.
/// (C3) A plain node is linked from the moment its task waits until exactly one party unlinks it, under the lock; that
///      party, and only it, sets the outcome and wakes the task.
/// (C4) A node of a select is completed by the party that moved the select's word to "done" for that arm, and its
///      value is moved before the lock is released. Dead nodes are unlinked by whoever meets them, or by their owner.
/// (C5) A node is read after the lock is released only to wake its task, and only if the task cannot run before that:
///      a plain node, or one of a select that was found parked.
/// (C6) No lock but a select's claim is taken under the lock, nothing of the user's but T's move constructor and
///      destructor runs, and nothing is freed.
class channel_base {
 public:
  channel_base(const channel_base&) = delete;
  channel_base& operator=(const channel_base&) = delete;

  void lock() noexcept { lock_.lock(); }
  void unlock() noexcept { lock_.unlock(); }

  /// Closes, and wakes every waiter. False if it was closed already.
  bool close() noexcept;

  /// Relaxed: a hint to anyone who did not synchronize with the closing thread, exact to who did.
  [[nodiscard]] bool is_closed() const noexcept { return closed_.load(std::memory_order_relaxed); }

  // How a task waits that has the channel for its operation; cancelling ends that unless a peer was faster (C3).
  static const tandem::detail::wait_kind as_sender;
  static const tandem::detail::wait_kind as_receiver;

  /// What default-constructed handles wait on: nobody else ever comes.
  static channel_base& never_ready() noexcept;
  [[nodiscard]] static channel_base& at(channel_base* c) noexcept { return c ? *c : never_ready(); }

  // All below: under the lock.
  void wait_as_sender(wait_node& node) noexcept { senders_.push_back(node); }
  void wait_as_receiver(wait_node& node) noexcept { receivers_.push_back(node); }
  void leave_senders(wait_node& node) noexcept {
    if (node.linked) senders_.unlink(node);
  }
  void leave_receivers(wait_node& node) noexcept {
    if (node.linked) receivers_.unlink(node);
  }

 protected:
  explicit constexpr channel_base(std::source_location made_at) noexcept : site_(made_at) {}
  ~channel_base() = default;

  /// A waiter this party may now complete, unlinked; and whether to wake it after the lock is released (C5).
  struct partner {
    wait_node* node = nullptr;
    bool wakes = false;
    [[nodiscard]] wait_node* to_wake() const noexcept { return wakes ? node : nullptr; }
  };

  /// The first live waiter, for an operation that nobody else can decide.
  static partner claim_first(wait_list& list) noexcept {
    wait_node* const first = list.first();
    if (!first) return {};
    if (first->owned_by == wait_node::owner::select) return claim_past_selects(list);
    list.unlink(*first);
    return {first, true};
  }

  /// The first live waiter of another owner, together with arm `arm` of the registered select `own`.
  /// `lost` is set if `own` turns out to be decided.
  static partner claim_with(wait_list& list, selection& own, std::uint32_t arm, bool& lost) noexcept;

  /// close(), because the last handle of the side whose waiters are `own` goes. If one of them is live, it waits by a
  /// handle that is gone, and a cancel or a select could reach for the channel once that is freed: says so on stderr,
  /// and aborts. Not when a shutdown destroys tasks, since those that wait there are destroyed as well.
  void close_by_last(const wait_list& own, const char* side) noexcept;

  /// Ends the wait of every live waiter, which brings it nothing but `how`.
  static void complete_all(wait_list& list, progress how, wake_chain& woken) noexcept;

  channel_lock lock_;
  tandem::detail::sync::atomic<bool> closed_{false};  // written under lock_
  wait_list senders_;                // guarded by lock_
  wait_list receivers_;              // guarded by lock_

 private:
  [[noreturn]] void destroyed_while_in_use(wait_node& waiter, const char* side) const noexcept;
  static partner claim_past_selects(wait_list& list) noexcept;
  static std::source_location origin(const task_record& task) noexcept;

  const std::source_location site_;
};

}  // namespace tandem::csp::detail
