// Channels without bounds: senders never wait, and memory is what gives out if receivers are slow.
//
//   auto [tx, rx] = make_unbounded<event>();
//   library.on_event([tx = tx](event e) { (void)tx.send(std::move(e)); });  // a callback that must not wait
//   while (auto e = co_await rx.recv()) handle(*e);
#pragma once
#include <concepts>
#include <source_location>
#include <utility>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/sending_end.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::csp {

/// The sending end of a channel without bounds. Its receivers are those of any channel.
///
/// Nothing slows the sender down: use it where values are few, or bounded by something else. size() tells the backlog.
///
/// Owns:    a share of the channel. Destroying the last sender closes it; buffered values stay receivable.
/// Threads: as sender.
/// Order:   as sender.
template <class T>
class unbounded_sender : public detail::sending_end<T> {
 public:
  unbounded_sender() = default;

  /// Places `value`. After an error the caller still has it.
  ///
  /// Suspends: never; also callable outside of tasks. A loop that only sends does not let others run.
  /// Errors:   errc::closed. Throws std::bad_alloc, with nothing placed; std::logic_error if default-constructed: there
  ///           is nothing it could wait for.
  /// Memory:   as sender::send(). Memory for about a KiB of values (four at least) is taken at a time, and given back
  ///           when these have been received; an open channel keeps one such piece.
  [[nodiscard]] result<void> send(T&& value) const {
    detail::channel<T>& c = this->target();
    detail::chunk<T>* more = nullptr;
    detail::wait_node* to_wake = nullptr;
    auto now = detail::progress::blocked;
    for (;;) {
      c.lock();
      now = c.send_unbounded(value, more, to_wake);
      c.unlock();
      if (now != detail::progress::blocked) break;
      more = detail::chunk<T>::make();
    }
    if (more) detail::emptied_memory::free(*more);  // room came from elsewhere meanwhile
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

 private:
  template <class U>
  friend std::pair<unbounded_sender<U>, receiver<U>> make_unbounded(std::source_location where);
  explicit unbounded_sender(detail::channel<T>* adopted) noexcept : detail::sending_end<T>(adopted) {}
};

/// Makes a channel whose buffer grows as needed.   Errors: throws std::bad_alloc.
template <class T>
[[nodiscard]] std::pair<unbounded_sender<T>, receiver<T>> make_unbounded(
    std::source_location where = std::source_location::current()) {
  auto* const made = detail::channel_maker::make<T>(detail::channel<T>::unbounded, where);
  return {unbounded_sender<T>(made), detail::channel_maker::receiver_of(made)};
}

}  // namespace tandem::csp
