// Who waits, in the order they came.
#pragma once
#include <tandem/runtime/detail/sync.hpp>
#include <tandem/runtime/detail/wait_node.hpp>

namespace tandem::detail {

/// A first-in first-out list of nodes. Guarded by the lock of its owner, except for empty().
class wait_list {
 public:
  /// Also without the lock, as a hint: relaxed suffices, because whoever acts on the answer looks again under the lock.
  [[nodiscard]] bool empty() const noexcept { return first_.load(std::memory_order_relaxed) == nullptr; }

  // Relaxed here and below: ordered by the lock.
  [[nodiscard]] wait_node* first() const noexcept { return first_.load(std::memory_order_relaxed); }

  void push_back(wait_node& node) noexcept {
    node.previous = last_;
    node.next = nullptr;
    node.linked = true;
    if (last_)
      last_->next = &node;
    else
      first_.store(&node, std::memory_order_relaxed);
    last_ = &node;
  }

  void push_front(wait_node& node) noexcept {
    wait_node* const second = first();
    node.previous = nullptr;
    node.next = second;
    node.linked = true;
    if (second)
      second->previous = &node;
    else
      last_ = &node;
    first_.store(&node, std::memory_order_relaxed);
  }

  void unlink(wait_node& node) noexcept {
    if (node.previous)
      node.previous->next = node.next;
    else
      first_.store(node.next, std::memory_order_relaxed);
    if (node.next)
      node.next->previous = node.previous;
    else
      last_ = node.previous;
    node.linked = false;
  }

 private:
  sync::atomic<wait_node*> first_{nullptr};
  wait_node* last_ = nullptr;
};

}  // namespace tandem::detail
