// A channel of T: the ring of buffered values, and what send and receive do under the lock.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>

#include <tandem/csp/detail/channel_base.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/object_observer.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/sync.hpp>

namespace tandem::csp::detail {

/// Values in the order they came. Guarded by the channel's lock, except for size().
template <class T>
class ring {
 public:
  explicit ring(std::size_t capacity)
      : capacity_(capacity), slots_(capacity ? std::allocator<T>().allocate(capacity) : nullptr) {}
  /// Takes the values and their memory; `other` keeps its capacity, but must not be pushed to any more.
  ring(ring&& other) noexcept
      : capacity_(other.capacity_),
        slots_(std::exchange(other.slots_, nullptr)),
        front_(std::exchange(other.front_, 0)),
        size_(other.size_.exchange(0, std::memory_order_relaxed)) {}
  ~ring() {
    while (size() != 0) pop();
    if (slots_) std::allocator<T>().deallocate(slots_, capacity_);
  }

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  /// Relaxed, as wait_list::empty().
  [[nodiscard]] std::size_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool full() const noexcept { return size() == capacity_; }

  [[nodiscard]] T& front() noexcept { return slots_[front_]; }
  void pop() noexcept {
    std::destroy_at(slots_ + front_);
    if (++front_ == capacity_) front_ = 0;
    set_size(size() - 1);
  }
  void push(T&& value) noexcept {
    const std::size_t behind = front_ + size();
    std::construct_at(slots_ + (behind < capacity_ ? behind : behind - capacity_), std::move(value));
    set_size(size() + 1);
  }

 private:
  void set_size(std::size_t n) noexcept { size_.store(n, std::memory_order_relaxed); }

  const std::size_t capacity_;
  T* slots_;
  std::size_t front_ = 0;
  tandem::detail::sync::atomic<std::size_t> size_{0};
};

/// Room for a received value. Constructed by the channel, destroyed by taking it.
template <class T>
union received_value {
  received_value() noexcept {}
  ~received_value() {}
  [[nodiscard]] result<T> take() {
    result<T> taken(std::move(value));
    std::destroy_at(std::addressof(value));
    return taken;
  }
  T value;
};

template <class T>
struct recv_operands : operands {
  explicit recv_operands(channel_base* c) noexcept : operands{c} {}
  received_value<T> received;
};

template <class T>
struct send_operands : operands {
  send_operands(channel_base* c, T& v) noexcept : operands{c}, value(std::addressof(v)) {}
  T* value;
};

/// Constructed before what refers to it.
template <class T>
struct held_copy {
  explicit held_copy(const T& value) : copy(value) {}
  T copy;
};

/// Where `receiver`, which waits, wants its value.
template <class T>
[[nodiscard]] void* place_of(wait_node& receiver) noexcept {
  if (receiver.owned_by != wait_node::owner::task) return receiver.what;
  return std::addressof(static_cast<recv_operands<T>*>(receiver.what)->received.value);
}

/// What `sender` waits to send.
template <class T>
[[nodiscard]] T& value_of(wait_node& sender) noexcept {
  if (sender.owned_by != wait_node::owner::task) return *static_cast<T*>(sender.what);
  return *static_cast<send_operands<T>*>(sender.what)->value;
}

/// What a registered arm of a select became when it looked again under the lock.
enum class commit : std::uint8_t {
  waiting,  // its node is linked
  won,      // it decided its select, and took effect
  lost,     // another arm had decided its select
};

template <class T>
class channel final : public channel_base, public tandem::detail::pooled {
 public:
  channel(std::size_t capacity, std::source_location made_at) : channel_base(made_at), buffer_(capacity) {
    tandem::detail::note_made(this, "channel", made_at);
  }
  ~channel() { tandem::detail::note_gone(this); }

  /// Under the lock: the whole of a send, short of waiting. `to_wake` is set if somebody must be woken after unlock().
  [[nodiscard]] progress send(T& value, wait_node*& to_wake) noexcept {
    if (is_closed()) return progress::closed;
    if (const partner receiver = claim_first(receivers_); receiver.node) {
      hand_over(receiver, value, to_wake);
    } else if (!buffer_.full()) {
      buffer_.push(std::move(value));
    } else {
      return progress::blocked;
    }
    return progress::done;
  }

  /// Under the lock: the whole of a receive, short of waiting. Constructs the value at `place`.
  [[nodiscard]] progress recv(void* place, wait_node*& to_wake) noexcept {
    if (buffer_.size() != 0) {
      take_buffered(place, to_wake);
    } else if (const partner sender = claim_first(senders_); sender.node) {
      take_over(sender, place, to_wake);
    } else {
      return is_closed() ? progress::closed : progress::blocked;
    }
    return progress::done;
  }

  /// Under the lock: send() for arm `arm` of the registered select `own`, whose node is linked if it must wait.
  [[nodiscard]] commit send_arm(selection& own, std::uint32_t arm, wait_node& node, wait_node*& to_wake) noexcept {
    T& value = *static_cast<T*>(node.what);
    if (is_closed()) return decide(own, arm, node, progress::closed);
    bool lost = false;
    if (const partner receiver = claim_with(receivers_, own, arm, lost); receiver.node) {
      hand_over(receiver, value, to_wake);
      set(node, progress::done);
      return commit::won;
    }
    if (lost) return commit::lost;
    if (buffer_.full()) {
      senders_.push_back(node);
      return commit::waiting;
    }
    if (const commit decided = decide(own, arm, node, progress::done); decided != commit::won) return decided;
    buffer_.push(std::move(value));
    return commit::won;
  }

  /// Under the lock: recv() into `node.what` for arm `arm` of the registered select `own`.
  [[nodiscard]] commit recv_arm(selection& own, std::uint32_t arm, wait_node& node, wait_node*& to_wake) noexcept {
    if (buffer_.size() != 0) {
      const commit decided = decide(own, arm, node, progress::done);
      // The refill may meet a send arm of `own`: it is dead by now, and dropped.
      if (decided == commit::won) take_buffered(node.what, to_wake);
      return decided;
    }
    bool lost = false;
    if (const partner sender = claim_with(senders_, own, arm, lost); sender.node) {
      take_over(sender, node.what, to_wake);
      set(node, progress::done);
      return commit::won;
    }
    if (lost) return commit::lost;
    if (is_closed()) return decide(own, arm, node, progress::closed);
    receivers_.push_back(node);
    return commit::waiting;
  }

  /// Without the lock, as a hint: false only if the operation would certainly wait.
  [[nodiscard]] bool may_send() const noexcept { return !buffer_.full() || !receivers_.empty() || is_closed(); }
  [[nodiscard]] bool may_recv() const noexcept { return buffer_.size() != 0 || !senders_.empty() || is_closed(); }

  [[nodiscard]] std::size_t size() const noexcept { return buffer_.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return buffer_.capacity(); }

  // Handles. Each kind shares the channel as a whole; the last of both kinds frees it.
  // Relaxed increments: the new handle is made from one that is held. The decrements release what was done through the
  // handle, and the last one acquires it, before the channel is closed or freed.
  void add_sender() noexcept { sender_handles_.fetch_add(1, std::memory_order_relaxed); }
  void add_receiver() noexcept { receiver_handles_.fetch_add(1, std::memory_order_relaxed); }
  void drop_sender() noexcept {
    if (sender_handles_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    close();
    drop_side();
  }
  void drop_receiver() noexcept {
    if (receiver_handles_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    close();
    discard_buffered();
    drop_side();
  }

 private:
  static void set(wait_node& node, progress p) noexcept { node.outcome = static_cast<std::uint8_t>(p); }

  static commit decide(selection& own, std::uint32_t arm, wait_node& node, progress p) noexcept {
    if (!own.decide(arm)) return commit::lost;
    set(node, p);
    return commit::won;
  }

  static void hand_over(const partner& receiver, T& value, wait_node*& to_wake) noexcept {
    ::new (place_of<T>(*receiver.node)) T(std::move(value));
    set(*receiver.node, progress::done);
    to_wake = receiver.to_wake();
  }

  static void take_over(const partner& sender, void* place, wait_node*& to_wake) noexcept {
    ::new (place) T(std::move(value_of<T>(*sender.node)));
    set(*sender.node, progress::done);
    to_wake = sender.to_wake();
  }

  void take_buffered(void* place, wait_node*& to_wake) noexcept {
    ::new (place) T(std::move(buffer_.front()));
    buffer_.pop();
    if (const partner sender = claim_first(senders_); sender.node) {
      buffer_.push(std::move(value_of<T>(*sender.node)));
      set(*sender.node, progress::done);
      to_wake = sender.to_wake();
    }
  }

  /// Nobody can receive any more. Values may hold handles of other channels, or of this one: they go after unlock().
  void discard_buffered() noexcept {
    lock();
    const ring<T> discarded(std::move(buffer_));
    unlock();
  }

  void drop_side() noexcept {
    if (sides_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  ring<T> buffer_;  // guarded by lock_
  std::atomic<std::uint32_t> sender_handles_{1};
  std::atomic<std::uint32_t> receiver_handles_{1};
  std::atomic<std::uint32_t> sides_{2};
};

}  // namespace tandem::csp::detail
