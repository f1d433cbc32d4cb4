#include "timer_heap.hpp"

#include <new>

namespace tandem::detail {

bool timer_heap::add(timer_node& node, time_point when) {
  const std::lock_guard hold(lock_);
  node.heap = this;
  heap_.push_back({when, &node});
  sift_up(heap_.size() - 1);
  note_next();
  return node.position == 0;
}

void timer_heap::remove(timer_node& node) noexcept {
  const std::lock_guard hold(lock_);
  if (node.position == timer_node::unarmed) return;
  remove_at(node.position);
  node.position = timer_node::unarmed;
  note_next();
}

std::size_t timer_heap::fire_due(time_point now, std::size_t limit) noexcept {
  std::size_t fired = 0;
  while (fired < limit) {
    job* after = nullptr;
    {
      const std::lock_guard hold(lock_);
      if (heap_.empty() || heap_.front().when > now) return fired;
      timer_node& node = *heap_.front().node;
      remove_at(0);
      node.position = timer_node::unarmed;
      note_next();
      after = node.fire(node);
    }
    ++fired;
    if (after) after->run(*after);
  }
  return fired;
}

// A burst of timers must not keep its memory for ever. Halving at a quarter full leaves room both ways, so that the
// cost of a copy is spread over as many removals. When there is no memory for less memory, the old one stays.
void timer_heap::shrink() noexcept {
  try {
    std::vector<entry> smaller;
    smaller.reserve(heap_.capacity() / 2);
    smaller.assign(heap_.begin(), heap_.end());
    heap_.swap(smaller);
  } catch (const std::bad_alloc&) {
  }
}

void timer_heap::remove_at(std::size_t i) noexcept {
  const entry last = heap_.back();
  heap_.pop_back();
  if (heap_.capacity() > kept_capacity && heap_.size() < heap_.capacity() / 4) [[unlikely]] shrink();
  if (i == heap_.size()) return;
  place(i, last);
  sift_up(i);
  sift_down(last.node->position);
}

void timer_heap::sift_up(std::size_t i) noexcept {
  const entry moving = heap_[i];
  while (i > 0) {
    const std::size_t parent = (i - 1) / 4;
    if (heap_[parent].when <= moving.when) break;
    place(i, heap_[parent]);
    i = parent;
  }
  place(i, moving);
}

void timer_heap::sift_down(std::size_t i) noexcept {
  const entry moving = heap_[i];
  for (;;) {
    const std::size_t first = 4 * i + 1;
    if (first >= heap_.size()) break;
    const std::size_t end = first + 4 < heap_.size() ? first + 4 : heap_.size();
    std::size_t least = first;
    for (std::size_t c = first + 1; c < end; ++c)
      if (heap_[c].when < heap_[least].when) least = c;
    if (moving.when <= heap_[least].when) break;
    place(i, heap_[least]);
    i = least;
  }
  place(i, moving);
}

}  // namespace tandem::detail
