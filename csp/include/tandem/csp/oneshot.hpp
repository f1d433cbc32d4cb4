// A channel for one value: the answer to a question, the outcome of something that runs elsewhere.
//
//   auto [tx, rx] = make_oneshot<answer>();
//   co_await questions.send(question(std::move(text), std::move(tx)));
//   auto reply = co_await rx.recv();  // errc::closed: whoever had the question dropped it
//   …
//   (void)std::move(q.reply_to).send(find(q.text));  // where the question is answered
#pragma once
#include <source_location>
#include <utility>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/sending_end.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::csp {

/// The sending end of a channel for one value. The receiving end is that of any channel, so select's on_recv() takes
/// it.
///
/// Owns:    the sending side, alone: it is moved, not copied. Destroying it without a value closes the channel, and the
///          receiver gets errc::closed.
/// Threads: one at a time.
template <class T>
class oneshot_sender : public detail::sending_end<T> {
 public:
  oneshot_sender() = default;
  oneshot_sender(oneshot_sender&&) noexcept = default;
  oneshot_sender& operator=(oneshot_sender&&) noexcept = default;

  /// Places `value`, and leaves this handle empty. After an error the caller still has `value`, and the handle.
  ///
  /// Suspends: never; also callable outside of tasks.
  /// Errors:   errc::closed: nobody can receive it any more. Throws std::logic_error if the handle is empty: a second
  ///           send, or default-constructed.
  /// Memory:   as sender::send(). Allocates nothing.
  [[nodiscard]] result<void> send(T&& value) && {
    detail::channel<T>& c = this->target();
    detail::wait_node* to_wake = nullptr;
    c.lock();
    const detail::progress now = c.send(value, to_wake);  // there is room: it is the first
    c.unlock();
    if (to_wake) detail::wake(*to_wake);
    if (now == detail::progress::closed) return fail(error_of(errc::closed));
    *this = oneshot_sender();
    return {};
  }
  [[nodiscard]] result<void> send(const T& value) &&
    requires std::copy_constructible<T>
  {
    T copy(value);
    return std::move(*this).send(std::move(copy));
  }

 private:
  template <class U>
  friend std::pair<oneshot_sender<U>, receiver<U>> make_oneshot(std::source_location where);
  explicit oneshot_sender(detail::channel<T>* adopted) noexcept : detail::sending_end<T>(adopted) {}
};

/// Makes a channel for one value, in one allocation.   Errors: throws std::bad_alloc.
template <class T>
[[nodiscard]] std::pair<oneshot_sender<T>, receiver<T>> make_oneshot(
    std::source_location where = std::source_location::current()) {
  auto* const made = detail::channel_maker::make_bounded<T>(1, where);
  return {oneshot_sender<T>(made), detail::channel_maker::receiver_of(made)};
}

}  // namespace tandem::csp
