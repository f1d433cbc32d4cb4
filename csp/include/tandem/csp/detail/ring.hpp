// The values in a channel: a ring of fixed size, or a list of chunks that grows and shrinks.
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include <tandem/csp/detail/waiters.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/sync.hpp>

namespace tandem::csp::detail {

/// Memory for some values of a channel without bounds. Made and freed without the channel's lock.
template <class T>
struct chunk : emptied_memory {
  // As many as fill the largest block of the pool; a few if values are larger than that.
  static constexpr std::size_t length = std::max<std::size_t>(4, (1024 - 64 - alignof(T)) / sizeof(T));

  /// Errors: throws std::bad_alloc.
  [[nodiscard]] static chunk* make() { return ::new (tandem::detail::pool_allocate(sizeof(chunk))) chunk; }

  [[nodiscard]] T* slots() noexcept { return reinterpret_cast<T*>(storage); }

  chunk* following = nullptr;
  alignas(T) std::byte storage[length * sizeof(T)];

 private:
  chunk() noexcept : emptied_memory(sizeof(chunk)) {}
};

/// Values in the order they came. Guarded by the channel's lock, except for size().
template <class T>
class ring {
 public:
  /// In memory of the caller's, which has room for `capacity` values.
  ring(T* slots, std::size_t capacity) noexcept : length_(capacity), slots_(slots) {}
  /// In chunks: see add().
  ring() noexcept : length_(chunk<T>::length) {}
  /// Takes the values; `other` must not be pushed to any more.
  ring(ring&& other) noexcept
      : length_(other.length_),
        slots_(other.slots_),
        front_(other.front_),
        size_(other.size_.exchange(0, std::memory_order_relaxed)),
        first_(std::exchange(other.first_, nullptr)),
        last_(std::exchange(other.last_, nullptr)),
        used_(other.used_) {}
  ~ring() {
    while (size() != 0)
      if (wait_node* const emptied = pop()) wake(*emptied);
    if (first_) emptied_memory::free(*first_);
  }

  /// Of a ring in the caller's memory.
  [[nodiscard]] std::size_t capacity() const noexcept { return length_; }
  [[nodiscard]] bool full() const noexcept { return size() == length_; }
  /// Relaxed, as wait_list::empty().
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }

  [[nodiscard]] T& front() noexcept { return slots_[front_]; }
  /// Gives the chunk that this emptied, if it is to be freed: "woken" after the lock is released.
  [[nodiscard]] wait_node* pop() noexcept {
    std::destroy_at(slots_ + front_);
    set_size(size() - 1);
    if (++front_ != length_) [[likely]] return nullptr;
    front_ = 0;
    return first_ ? leave_first() : nullptr;
  }

  void push(T&& value) noexcept {
    const std::size_t behind = front_ + size();
    std::construct_at(slots_ + (behind < length_ ? behind : behind - length_), std::move(value));
    set_size(size() + 1);
  }

  // Of chunks.
  [[nodiscard]] bool needs_chunk() const noexcept { return !last_ || used_ == length_; }
  void add(chunk<T>& more) noexcept {
    if (last_) {
      last_->following = &more;
    } else {
      first_ = &more;
      slots_ = more.slots();
    }
    last_ = &more;
    used_ = 0;
  }
  void push_behind(T&& value) noexcept {
    std::construct_at(last_->slots() + used_++, std::move(value));
    set_size(size() + 1);
  }

 private:
  void set_size(std::size_t n) noexcept { size_.store(n, std::memory_order_relaxed); }

  wait_node* leave_first() noexcept {
    if (first_ == last_) {  // which is full and empty: it is used again
      used_ = 0;
      return nullptr;
    }
    chunk<T>* const emptied = std::exchange(first_, first_->following);
    slots_ = first_->slots();
    return emptied;
  }

  const std::size_t length_;  // of what slots_ points to
  T* slots_ = nullptr;        // where the front value is, and the others of a ring
  std::size_t front_ = 0;
  tandem::detail::sync::atomic<std::size_t> size_{0};
  chunk<T>* first_ = nullptr;  // the one slots_ points into; null in a ring
  chunk<T>* last_ = nullptr;   // where the next value goes
  std::size_t used_ = 0;       // of its slots
};

}  // namespace tandem::csp::detail
