// Channels whose senders never wait: when there is no room, a value is dropped and counted.
//
//   auto [tx, rx] = make_latest<reading>();  // one value, the newest
//   sensor.on_reading([tx = tx](reading r) { (void)tx.send(std::move(r)); });
//   while (auto current = co_await rx.recv()) show(*current, rx.dropped());
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <utility>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/sending_end.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::csp {

/// The sending end of a channel that drops values rather than let a sender wait. Its receivers are those of any
/// channel.
///
/// Owns:    a share of the channel. Destroying the last sender closes it; buffered values stay receivable.
/// Threads: as sender.
/// Order:   values that are not dropped arrive as sent; a value that is received was sent after all received before it.
template <class T>
class lossy_sender : public detail::sending_end<T> {
 public:
  lossy_sender() = default;

  /// Places `value`; if there is no room, drops the oldest buffered value, or `value`, as the channel's kind has it.
  /// A value that a receiver waits for is never dropped. After an error the caller still has `value`.
  ///
  /// Suspends: never; also callable outside of tasks. A loop that only sends does not let others run.
  /// Errors:   errc::closed. Throws std::logic_error if default-constructed: there is nothing it could wait for.
  /// Memory:   as sender::send(). What is dropped is destroyed here. Allocates nothing.
  [[nodiscard]] result<void> send(T&& value) const {
    detail::channel<T>& c = this->target();
    std::optional<T> dropped;
    detail::wait_node* to_wake = nullptr;
    c.lock();
    const detail::progress now = c.send_lossy(value, overflow_, dropped, to_wake);
    c.unlock();
    if (to_wake) detail::wake(*to_wake);
    if (now == detail::progress::closed) return fail(error_of(errc::closed));
    return {};
  }
  [[nodiscard]] result<void> send(const T& value) const
    requires std::copy_constructible<T>
  {
    T copy(value);
    return send(std::move(copy));
  }

  [[nodiscard]] std::size_t capacity() const noexcept { return *this ? this->target().capacity() : 0; }
  /// How many values were dropped for want of room, at some moment during the call. Those that are destroyed with the
  /// last receiver do not count: sent = received + dropped() + size().
  [[nodiscard]] std::uint64_t dropped() const noexcept { return *this ? this->target().dropped() : 0; }

 private:
  template <class U>
  friend std::pair<lossy_sender<U>, receiver<U>> make_drop_oldest(std::size_t capacity, std::source_location where);
  template <class U>
  friend std::pair<lossy_sender<U>, receiver<U>> make_drop_newest(std::size_t capacity, std::source_location where);

  lossy_sender(detail::channel<T>* adopted, detail::overflow what) noexcept
      : detail::sending_end<T>(adopted), overflow_(what) {}

  detail::overflow overflow_ = detail::overflow::drop_oldest;
};

/// Makes a channel that keeps the `capacity` newest values.
/// Errors: as make_channel(); throws std::invalid_argument if `capacity` is 0.
template <class T>
[[nodiscard]] std::pair<lossy_sender<T>, receiver<T>> make_drop_oldest(
    std::size_t capacity, std::source_location where = std::source_location::current()) {
  if (capacity == 0)
    throw std::invalid_argument("tandem: a channel that keeps the newest values needs room for at least one");
  auto* const made = detail::channel_maker::make_bounded<T>(capacity, where);
  return {lossy_sender<T>(made, detail::overflow::drop_oldest), detail::channel_maker::receiver_of(made)};
}

/// Makes a channel that keeps the first `capacity` values and drops what comes while it is full; with 0 every value is
/// dropped that no receiver waits for.
/// Errors: as make_channel().
template <class T>
[[nodiscard]] std::pair<lossy_sender<T>, receiver<T>> make_drop_newest(
    std::size_t capacity, std::source_location where = std::source_location::current()) {
  auto* const made = detail::channel_maker::make_bounded<T>(capacity, where);
  return {lossy_sender<T>(made, detail::overflow::drop_newest), detail::channel_maker::receiver_of(made)};
}

/// Makes a channel that keeps the newest value only. Unlike a watch (watch.hpp), each value goes to one receiver, once.
template <class T>
[[nodiscard]] std::pair<lossy_sender<T>, receiver<T>> make_latest(
    std::source_location where = std::source_location::current()) {
  return make_drop_oldest<T>(1, where);
}

}  // namespace tandem::csp
