// Who waits at a worker pool: a worker for a job, or a submitter for room.
#pragma once
#include <source_location>
#include <utility>

#include <tandem/csp/channel.hpp>

namespace tandem::csp::detail {

struct wake_up {};

/// A place in one of the pool's lists, and a bell. Everything but the bell is guarded by the pool's lock.
///
/// Ringing says only "look again": a bell that rang for something that was noticed otherwise may ring once too often.
struct pool_node {
  explicit pool_node(const std::source_location& pool) {
    auto [tx, rx] = make_channel<wake_up>(1, pool);
    bell = std::move(tx);
    ear = std::move(rx);
  }
  pool_node(const pool_node&) = delete;
  pool_node& operator=(const pool_node&) = delete;

  pool_node* previous = nullptr;
  pool_node* next = nullptr;
  bool linked = false;
  sender<wake_up> bell;  // constant; whoever rings after the lock is released holds a copy, as the node may be gone
  receiver<wake_up> ear;
};

/// A doubly linked list of nodes; it owns none of them.
class pool_list {
 public:
  [[nodiscard]] bool empty() const noexcept { return !first_; }
  [[nodiscard]] pool_node* first() const noexcept { return first_; }

  void push_front(pool_node& node) noexcept {
    node.next = first_;
    *(first_ ? &first_->previous : &last_) = &node;
    first_ = &node;
    node.linked = true;
  }
  void push_back(pool_node& node) noexcept {
    node.previous = last_;
    *(last_ ? &last_->next : &first_) = &node;
    last_ = &node;
    node.linked = true;
  }
  void unlink(pool_node& node) noexcept {
    *(node.previous ? &node.previous->next : &first_) = node.next;
    *(node.next ? &node.next->previous : &last_) = node.previous;
    node.previous = node.next = nullptr;
    node.linked = false;
  }

 private:
  pool_node* first_ = nullptr;
  pool_node* last_ = nullptr;
};

/// Lets the owner of a bell look again. A bell that has rung and was not heard yet is enough.
inline void sound(const sender<wake_up>& bell) noexcept {
  if (bell) (void)bell.try_send(wake_up());
}

}  // namespace tandem::csp::detail
