// Bounded multi-producer, multi-consumer channels. Start at make_channel(); select.hpp waits on several at once, and
// for_each.hpp reads one to its end. Channels of other kinds have headers of their own: lossy.hpp, unbounded.hpp and
// oneshot.hpp have the receiver of this one; broadcast.hpp and watch.hpp tell several receivers the same.
//
//   auto [tx, rx] = make_channel<std::string>(16);
//   g.go(read_lines(std::move(tx)));  // co_await tx.send(std::move(line))
//   while (auto line = co_await rx.recv()) use(*line);
#pragma once
#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <source_location>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <tandem/csp/detail/immediate.hpp>
#include <tandem/csp/detail/channel.hpp>
#include <tandem/csp/detail/operations.hpp>
#include <tandem/csp/fwd.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp {

/// What goes through a channel: it is moved under the channel's lock, and what it was moved from is destroyed there. So
/// neither may throw, block, or use a channel or anything of sync/: a moved-from value must have nothing left to tell.
template <class T>
concept channel_value = std::is_object_v<T> && std::is_nothrow_move_constructible_v<T> &&
                        std::is_nothrow_destructible_v<T> && tandem::detail::pool_aligned<T>;

namespace detail {
/// Makes channels of all kinds, and the ends they share.
struct channel_maker {
  template <class T>
  static channel<T>* make(std::size_t capacity, std::source_location where) {
    static_assert(std::is_object_v<T> && std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                  "the type of a channel's values must be movable without throwing");
    static_assert(tandem::detail::pool_aligned<T>,
                  "a channel's values cannot be aligned more strictly than operator new aligns");
    return channel<T>::make(capacity, where);
  }
  template <class T>
  static channel<T>* make_bounded(std::size_t capacity, std::source_location where) {
    if (capacity == channel<T>::unbounded) throw std::bad_array_new_length();
    return make<T>(capacity, where);
  }
  template <class T>
  static sender<T> sender_of(channel<T>* adopted) noexcept {
    return sender<T>(adopted);
  }
  template <class T>
  static receiver<T> receiver_of(channel<T>* adopted) noexcept {
    return receiver<T>(adopted);
  }
};
}  // namespace detail

// What an operation does, by the state of the handle and the channel ("ready": room or a waiting receiver for a send, a
// value or a waiting sender for a receive):
//
// |                       | default-constructed | open, would wait | open, ready | closed                      |
// |-----------------------|---------------------|------------------|-------------|-----------------------------|
// | co_await tx.send(v)   | waits for ever      | waits            | places it   | errc::closed, v untouched   |
// | co_await rx.recv()    | waits for ever      | waits            | the value   | buffered, then errc::closed |
// | tx.try_send(v)        | would_block         | would_block      | places it   | errc::closed, v untouched   |
// | rx.try_recv()         | would_block         | would_block      | the value   | buffered, then errc::closed |
// | tx.close(), rx.close()| failed_precondition | closes, wakes all| closes      | errc::closed: it was before |
// | blocking_send, _recv  | std::logic_error    | blocks           | as send     | as send, recv               |
// | an arm of select      | never chosen        | waits            | may be chosen | may be chosen, reports it |
//
// "Default-constructed" includes moved from. Waits marked "for ever" still end with the caller's context. So a select
// leaves out an arm whose handle was assigned an empty one, as Go's does with nil: `rx = {};`.

/// The sending end of a channel of T.
///
/// Owns:    a share of the channel. Destroying the last sender closes it; buffered values stay receivable.
/// Threads: every member may be called from any thread at any time, except that a handle must not be assigned to or
///          destroyed while it is used, by a wait in progress too; if it was the last sender, that is said on stderr
///          and aborts. Copies are cheap (one atomic increment).
/// Order:   values of one sender arrive as sent; waiting senders are served in the order they came.
template <class T>
class sender {
 public:
  using value_type = T;

  /// A handle whose channel is never ready.
  sender() = default;
  sender(const sender& other) noexcept : channel_(other.channel_) {
    if (channel_) channel_->add_sender();
  }
  sender(sender&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
  sender& operator=(sender other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~sender() {
    if (channel_) channel_->drop_sender();
  }

  /// Places `value`, waiting while there is no room. `value` is moved from only on success: after an error the caller
  /// still has it. Await it in the expression that calls it: it refers to `value`.
  ///
  /// Suspends: while the channel is full, or without a waiting receiver if the capacity is 0; and once in a while
  ///           after the value was placed, to let others run.
  /// Cancel:   safe; on error nothing was placed. An operation that need not wait may still succeed in a context
  ///           that is over; in a loop of such operations at most 256 do.
  /// Errors:   errc::closed, errc::cancelled, errc::deadline_exceeded.
  /// Memory:   everything before send() is visible to the receiver that gets the value. Allocates nothing.
  [[nodiscard]] auto send(T&& value) const noexcept { return detail::send_operation<T>(channel_, value); }

  /// send() of a copy of `value`.
  [[nodiscard]] auto send(const T& value) const
    requires std::copy_constructible<T>
  {
    return detail::send_copy_operation<T>(channel_, value);
  }

  /// Places `value` only if that needs no waiting; after an error `value` is untouched.
  /// Suspends: never; also callable outside of tasks.
  /// Errors:   errc::would_block, errc::closed.
  [[nodiscard]] result<void> try_send(T&& value) const {
    if (!channel_) return fail(error_of(errc::would_block));
    detail::wait_node* to_wake = nullptr;
    channel_->lock();
    const detail::progress now = channel_->send(value, to_wake);
    channel_->unlock();
    if (to_wake) detail::wake(*to_wake);
    if (now == detail::progress::done) return {};
    return fail(error_of(now == detail::progress::closed ? errc::closed : errc::would_block));
  }
  [[nodiscard]] result<void> try_send(const T& value) const
    requires std::copy_constructible<T>
  {
    T copy(value);
    return try_send(std::move(copy));
  }

  /// send() for threads that are no workers: blocks the thread. No context ends the wait; close() does. After an error
  /// `value` is untouched.
  /// Errors: errc::closed. Throws std::logic_error on a worker's thread, or if default-constructed.
  [[nodiscard]] result<void> blocking_send(T&& value) const { return detail::blocking_send(channel_, value); }
  [[nodiscard]] result<void> blocking_send(const T& value) const
    requires std::copy_constructible<T>
  {
    T copy(value);
    return detail::blocking_send(channel_, copy);
  }

  /// Closes the channel for both ends: waiting and later sends and receives fail with errc::closed, but buffered values
  /// are received first. Success, which converts to true, means that this call closed it; an error needs no care.
  /// Errors: errc::closed if it was closed already, errc::failed_precondition on a default-constructed handle.
  result<void> close() const noexcept { return detail::close(channel_); }

  [[nodiscard]] bool is_closed() const noexcept { return channel_ && channel_->is_closed(); }
  /// The number of buffered values, at some moment during the call.
  [[nodiscard]] std::size_t size() const noexcept { return channel_ ? channel_->size() : 0; }
  [[nodiscard]] std::size_t capacity() const noexcept { return channel_ ? channel_->capacity() : 0; }

  /// True unless default-constructed or moved from.
  [[nodiscard]] explicit operator bool() const noexcept { return channel_ != nullptr; }
  /// True if both send into the same channel.
  friend bool operator==(const sender&, const sender&) = default;

  /// Not for users.
  [[nodiscard]] detail::channel<T>* target() const noexcept { return channel_; }

 private:
  friend detail::channel_maker;
  explicit sender(detail::channel<T>* adopted) noexcept : channel_(adopted) {}

  detail::channel<T>* channel_ = nullptr;
};

/// The receiving end of a channel of T.
///
/// Owns:    a share of the channel. Destroying the last receiver closes it: waiting and later sends fail, and buffered
///          values are destroyed.
/// Threads: as sender. Each value goes to exactly one receiver.
/// Order:   values leave in the order they were placed; waiting receivers are served in the order they came.
template <class T>
class receiver {
 public:
  using value_type = T;

  /// A handle whose channel is never ready.
  receiver() = default;
  receiver(const receiver& other) noexcept : channel_(other.channel_) {
    if (channel_) channel_->add_receiver();
  }
  receiver(receiver&& other) noexcept : channel_(std::exchange(other.channel_, nullptr)) {}
  receiver& operator=(receiver other) noexcept {
    std::swap(channel_, other.channel_);
    return *this;
  }
  ~receiver() {
    if (channel_) channel_->drop_receiver();
  }

  /// Takes the next value, waiting for one: `while (auto value = co_await rx.recv()) use(*value);`
  ///
  /// Suspends: while there is no value; and once in a while after taking one, to let others run.
  /// Cancel:   safe; on error no value was taken. Otherwise as sender::send().
  /// Errors:   errc::closed once the channel is closed and empty, errc::cancelled, errc::deadline_exceeded.
  [[nodiscard]] auto recv() const noexcept { return detail::recv_operation<T>(channel_); }

  /// Takes up to `most` values (at least 1) as soon as there is one, and moves them to the end of `into`; gives their
  /// number. One turn of the channel's lock serves up to 64 of them, and one turn of the task all. Await it in the
  /// expression that calls it.
  /// ```
  /// while (auto n = co_await rx.recv_many(rows, 100)) { co_await store(rows); rows.clear(); }
  /// ```
  /// Suspends, Cancel: as recv(). It does not wait for more than one value.
  /// Errors: those of recv(); `into` is as before then. Throws std::invalid_argument if `most` is 0, std::bad_alloc and
  ///         std::length_error if `into` cannot have room for `most` more; no value was taken then.
  [[nodiscard]] task<result<std::size_t>> recv_many(std::vector<T>& into, std::size_t most) const {
    if (most == 0) throw std::invalid_argument("tandem: recv_many() of no values; ask for at least one");
    if (most > into.max_size() - into.size())
      throw std::length_error("tandem: recv_many() of more than a vector holds; ask for fewer");
    if (into.capacity() - into.size() < most) {  // at least doubled, so that to gather in one vector stays linear
      const std::size_t doubled = into.capacity() > into.max_size() / 2 ? into.max_size() : 2 * into.capacity();
      into.reserve(std::max(into.size() + most, doubled));
    }
    auto first = co_await recv();
    if (!first) co_return fail(std::move(first).error());
    into.push_back(std::move(*first));
    co_return 1 + detail::recv_ready(*channel_, into, most - 1);
  }

  /// Takes a value only if that needs no waiting.
  /// Suspends: never; also callable outside of tasks.
  /// Errors:   errc::would_block, errc::closed.
  [[nodiscard]] result<T> try_recv() const {
    if (!channel_) return fail(error_of(errc::would_block));
    return detail::try_recv(*channel_);
  }

  /// recv() for threads that are no workers: blocks the thread. No context ends the wait; close() does.
  /// Errors: errc::closed. Throws std::logic_error on a worker's thread, or if default-constructed.
  [[nodiscard]] result<T> blocking_recv() const { return detail::blocking_recv(channel_); }

  /// As sender::close().
  result<void> close() const noexcept { return detail::close(channel_); }

  [[nodiscard]] bool is_closed() const noexcept { return channel_ && channel_->is_closed(); }
  [[nodiscard]] std::size_t size() const noexcept { return channel_ ? channel_->size() : 0; }
  /// The greatest std::size_t if the channel has no bounds.
  [[nodiscard]] std::size_t capacity() const noexcept { return channel_ ? channel_->capacity() : 0; }
  /// How many values a lossy channel has dropped, at some moment during the call; 0 for other kinds.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return channel_ ? channel_->dropped() : 0; }

  [[nodiscard]] explicit operator bool() const noexcept { return channel_ != nullptr; }
  friend bool operator==(const receiver&, const receiver&) = default;

  /// Not for users.
  [[nodiscard]] detail::channel<T>* target() const noexcept { return channel_; }

 private:
  friend detail::channel_maker;
  explicit receiver(detail::channel<T>* adopted) noexcept : channel_(adopted) {}

  detail::channel<T>* channel_ = nullptr;
};

/// Makes a channel that holds up to `capacity` values; with 0 every send meets a receive.
///
/// `where` is shown when tasks wait at the channel, or a test leaves it behind.
/// Memory: one block with room for all values, from here until the last handle of either end is gone.
/// Errors: throws std::bad_alloc: std::bad_array_new_length, which is one, for a capacity beyond any memory.
template <class T>
[[nodiscard]] std::pair<sender<T>, receiver<T>> make_channel(
    std::size_t capacity, std::source_location where = std::source_location::current()) {
  auto* const made = detail::channel_maker::make_bounded<T>(capacity, where);
  return {detail::channel_maker::sender_of(made), detail::channel_maker::receiver_of(made)};
}

}  // namespace tandem::csp
