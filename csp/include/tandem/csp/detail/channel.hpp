// A channel of T: what send and receive of every kind do under the lock.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <tandem/csp/detail/channel_base.hpp>
#include <tandem/csp/detail/ring.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/object_observer.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/sync.hpp>

namespace tandem::csp::detail {

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

/// What a send without room drops.
enum class overflow : std::uint8_t { drop_oldest, drop_newest };

/// The memory for the buffered values is behind the channel, in the same block.
template <class T>
class channel final : public channel_base {
 public:
  static constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

  /// With a share for either side. `capacity` may be `unbounded`.
  /// Errors: throws std::bad_alloc; std::bad_array_new_length, which is one, if no memory can be that large.
  [[nodiscard]] static channel* make(std::size_t capacity, std::source_location made_at) {
    void* const memory = tandem::detail::pool_allocate(bytes_for(capacity));
    return ::new (memory) channel(capacity, made_at);
  }

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

  /// Under the lock: recv() up to `most` times, to the end of `into`, which has room.
  std::size_t recv_ready(std::vector<T>& into, std::size_t most, wake_chain& woken) noexcept {
    std::size_t taken = 0;
    for (; taken < most; ++taken) {
      received_value<T> received;
      wait_node* to_wake = nullptr;
      if (recv(std::addressof(received.value), to_wake) != progress::done) break;
      if (to_wake) woken.add(*to_wake);
      into.push_back(std::move(received.value));
      std::destroy_at(std::addressof(received.value));
    }
    return taken;
  }

  /// Under the lock: a send that never waits. What it drops if there is no room is moved to `dropped`, to be destroyed
  /// after unlock().
  [[nodiscard]] progress send_lossy(T& value, overflow what, std::optional<T>& dropped, wait_node*& to_wake) noexcept {
    const progress now = send(value, to_wake);
    if (now != progress::blocked) return now;
    // Relaxed: written under the lock only; readers want a number.
    dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (what == overflow::drop_newest) {
      dropped.emplace(std::move(value));
    } else {
      dropped.emplace(std::move(buffer_.front()));
      (void)buffer_.pop();  // of a ring: there is nothing to free
      buffer_.push(std::move(value));
    }
    return progress::done;
  }

  /// Under the lock: a send to a channel without bounds. Blocked: call it again with a chunk in `more`, which is null
  /// after that if it was used.
  [[nodiscard]] progress send_unbounded(T& value, chunk<T>*& more, wait_node*& to_wake) noexcept {
    if (is_closed()) return progress::closed;
    if (const partner receiver = claim_first(receivers_); receiver.node) {
      hand_over(receiver, value, to_wake);
      return progress::done;
    }
    if (buffer_.needs_chunk()) {
      if (!more) return progress::blocked;
      buffer_.add(*std::exchange(more, nullptr));
    }
    buffer_.push_behind(std::move(value));
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
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

  // Handles. Each kind shares the channel as a whole; the last of both kinds frees it.
  // Relaxed increments: the new handle is made from one that is held. The decrements release what was done through the
  // handle, and the last one acquires it, before the channel is closed or freed.
  void add_sender() noexcept { sender_handles_.fetch_add(1, std::memory_order_relaxed); }
  void add_receiver() noexcept { receiver_handles_.fetch_add(1, std::memory_order_relaxed); }
  void drop_sender() noexcept {
    if (sender_handles_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    close_by_last(senders_, "sender");
    drop_side();
  }
  void drop_receiver() noexcept {
    if (receiver_handles_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    close_by_last(receivers_, "receiver");
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
    to_wake = buffer_.pop();  // a chunk to be freed: then nobody waits to send
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
    if (sides_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    const std::size_t bytes = bytes_for(capacity_);
    this->~channel();
    tandem::detail::pool_free(this, bytes);
  }

  channel(std::size_t capacity, std::source_location made_at) noexcept
      : channel_base(made_at), capacity_(capacity), buffer_(buffer(capacity)) {
    tandem::detail::note_made(this, "channel", made_at);
  }
  ~channel() { tandem::detail::note_gone(this); }

  /// Where the values are: behind the channel, aligned for them.
  static constexpr std::size_t slots_at() noexcept {
    return (sizeof(channel) + alignof(T) - 1) / alignof(T) * alignof(T);
  }
  static std::size_t bytes_for(std::size_t capacity) {
    if (capacity == unbounded) capacity = 0;
    // The pool aligns a block as its size asks for: see block_heap.
    constexpr std::size_t grain = std::max(alignof(channel), alignof(T));
    constexpr std::size_t most = std::numeric_limits<std::ptrdiff_t>::max() - slots_at() - grain;
    if (capacity > most / sizeof(T)) throw std::bad_array_new_length();
    return (slots_at() + capacity * sizeof(T) + grain - 1) / grain * grain;
  }
  ring<T> buffer(std::size_t capacity) noexcept {
    if (capacity == unbounded) return ring<T>();
    return ring<T>(reinterpret_cast<T*>(reinterpret_cast<std::byte*>(this) + slots_at()), capacity);
  }

  const std::size_t capacity_;
  ring<T> buffer_;                         // guarded by lock_
  std::atomic<std::uint64_t> dropped_{0};  // written under lock_
  std::atomic<std::uint32_t> sender_handles_{1};
  std::atomic<std::uint32_t> receiver_handles_{1};
  std::atomic<std::uint32_t> sides_{2};
};

}  // namespace tandem::csp::detail
