// A channel whose receivers each see every value; but a slow one slows nobody down: it misses values, and is told how
// many.
//
//   auto [tx, rx] = make_broadcast<price>(64);
//   g.go(plot(rx.subscribe()));
//   g.go(store(std::move(rx)));
//   (void)tx.send(price(17));
//   …
//   while (auto next = co_await rx.recv()) {
//     if (next->missed != 0) note_gap(next->missed);
//     store(next->value);
//   }
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <utility>
#include <vector>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/board.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::csp {

template <class T>
class broadcast_receiver;

/// What a broadcast's receiver gets.
template <class T>
struct broadcast_value {
  T value;
  std::uint64_t missed;  ///< How many values before this one were overwritten before this receiver took them.
};

namespace detail {

template <class T>
class broadcast_board final : public board {
 public:
  broadcast_board(std::size_t capacity, std::source_location where)
      : board("broadcast", where), kept_(checked(capacity)) {}

  [[nodiscard]] result<void> send(T& value) {
    if (is_closed()) return fail(error_of(errc::closed));  // a hint that saves the allocation
    auto slot = std::make_shared<shell<T>>();
    wake_chain woken;
    {
      const std::lock_guard hold(*this);
      if (is_closed()) return fail(error_of(errc::closed));
      slot->emplace(std::move(value));
      slot_of(posted()).swap(slot);  // what is overwritten is let go after the lock
      post(woken);
    }
    woken.wake();
    return {};
  }

  /// The oldest value that a reader has not seen and that is still here; moves `seen` behind it.
  [[nodiscard]] broadcast_value<T> take(std::uint64_t& seen) {
    std::shared_ptr<shell<T>> next;
    std::uint64_t missed = 0;
    {
      const std::lock_guard hold(*this);
      if (seen != posted()) {
        if (posted() - seen > kept_.size()) missed = posted() - seen - kept_.size();
        seen += missed;
        next = slot_of(seen++);
      }
    }
    if (!next)
      throw std::logic_error("tandem: two tasks received from one broadcast_receiver at a time; give each its own");
    return {std::as_const(**next), missed};  // copied without the lock
  }

 private:
  static std::size_t checked(std::size_t capacity) {
    if (capacity > std::vector<std::shared_ptr<shell<T>>>().max_size()) throw std::bad_array_new_length();
    return capacity;
  }
  std::shared_ptr<shell<T>>& slot_of(std::uint64_t number) noexcept { return kept_[number % kept_.size()]; }

  std::vector<std::shared_ptr<shell<T>>> kept_;  // guarded by lock_, but for its size
};

}  // namespace detail

/// The sending end of a broadcast.
///
/// Owns:    a share of it. Destroying the last sender closes it; receivers still get what was sent before.
/// Threads: every member may be called from any thread at any time, except that a handle must not be assigned to or
///          destroyed while it is used.
/// Order:   all receivers see the values in the same order, each sender's as sent.
template <class T>
class broadcast_sender : public detail::posting_end<detail::broadcast_board<T>> {
 public:
  using value_type = T;

  broadcast_sender() = default;

  /// Sends `value` to all who are subscribed, if any, over the oldest one kept if there is no room. After an error the
  /// caller still has it.
  ///
  /// Suspends: never; also callable outside of tasks. A loop that only sends does not let others run.
  /// Errors:   errc::closed. Throws std::bad_alloc, with nothing sent; std::logic_error if default-constructed.
  /// Memory:   as sender::send(). One allocation; a value is kept until `capacity` others were sent after it, even if
  ///           all have seen it.
  [[nodiscard]] result<void> send(T&& value) const { return this->target().send(value); }
  [[nodiscard]] result<void> send(const T& value) const {
    T copy(value);
    return this->target().send(copy);
  }

  /// A receiver of what is sent from now on.   Errors: throws std::logic_error if default-constructed.
  [[nodiscard]] broadcast_receiver<T> subscribe() const { return broadcast_receiver<T>(this->target()); }

 private:
  template <class U>
  friend std::pair<broadcast_sender<U>, broadcast_receiver<U>> make_broadcast(std::size_t capacity,
                                                                              std::source_location where);
  explicit broadcast_sender(detail::broadcast_board<T>* adopted) noexcept
      : detail::posting_end<detail::broadcast_board<T>>(adopted) {}
};

/// A subscription to a broadcast. Destroying it ends the subscription, and changes nothing for the others.
///
/// Threads: one task or thread at a time; it must not be moved or destroyed while a call is in progress.
template <class T>
class broadcast_receiver : public detail::reading_end<detail::broadcast_board<T>> {
 public:
  using value_type = broadcast_value<T>;

  /// A handle that never receives anything.
  broadcast_receiver() = default;

  /// Takes a copy of the next value, waiting for one. Await it in the expression that calls it.
  ///
  /// Suspends: while this receiver has seen all; and once in a while after taking one, to let others run.
  /// Cancel:   safe; on error no value was taken.
  /// Errors:   errc::closed once the broadcast is closed and all was seen, errc::cancelled, errc::deadline_exceeded.
  ///           What T's copy throws; that value is lost to this receiver. Throws std::logic_error if it notices that
  ///           another task receives by the same handle.
  [[nodiscard]] auto recv() noexcept { return detail::read_operation<broadcast_receiver>(*this); }

  /// recv() if that needs no waiting.
  /// Suspends: never; also callable outside of tasks.
  /// Errors:   errc::would_block, errc::closed; otherwise as recv().
  [[nodiscard]] result<value_type> try_recv() { return detail::try_read(*this); }

  /// recv() for threads that are no workers: blocks the thread.
  /// Errors: errc::closed. Throws std::logic_error on a worker's thread, or if default-constructed; otherwise as
  ///         recv().
  [[nodiscard]] result<value_type> blocking_recv() { return detail::blocking_read(*this); }

  /// Another receiver, of what is sent from now on.   Errors: throws std::logic_error if default-constructed.
  [[nodiscard]] broadcast_receiver subscribe() const {
    if (!*this) throw std::logic_error("tandem: subscribe() by a handle of no broadcast; make one first");
    return broadcast_receiver(*this->board_);
  }

  /// Not for users: after a look that said there is something.
  [[nodiscard]] result<value_type> take() { return this->board_->take(this->seen_); }

 private:
  template <class U>
  friend std::pair<broadcast_sender<U>, broadcast_receiver<U>> make_broadcast(std::size_t capacity,
                                                                              std::source_location where);
  friend broadcast_sender<T>;
  using base = detail::reading_end<detail::broadcast_board<T>>;

  explicit broadcast_receiver(detail::broadcast_board<T>* adopted) noexcept : base(adopted, 0) {}
  explicit broadcast_receiver(detail::broadcast_board<T>& shared) noexcept : base(&shared, shared.posted()) {
    shared.add_reader();
  }
};

/// Makes a broadcast that keeps the `capacity` newest values for receivers that have not seen them yet.
/// Errors: throws std::bad_alloc, as make_channel(); std::invalid_argument if `capacity` is 0.
template <class T>
[[nodiscard]] std::pair<broadcast_sender<T>, broadcast_receiver<T>> make_broadcast(
    std::size_t capacity, std::source_location where = std::source_location::current()) {
  static_assert(channel_value<T> && std::copy_constructible<T>,
                "a broadcast's values must be copyable, and movable without throwing; if they are not, send "
                "std::shared_ptr<const T>");
  if (capacity == 0) throw std::invalid_argument("tandem: a broadcast needs room for at least one value");
  auto* const made = new detail::broadcast_board<T>(capacity, where);
  return {broadcast_sender<T>(made), broadcast_receiver<T>(made)};
}

/// An arm of select() that receives from a broadcast. Yields what recv() does; its only error is errc::closed.
template <class T>
[[nodiscard]] auto on_recv(broadcast_receiver<T>& from) noexcept {
  return detail::read_arm<broadcast_receiver<T>>(from);
}

}  // namespace tandem::csp
