// The latest value of something, and notice when it changes: settings, the state of a connection, who leads.
//
//   auto [tx, rx] = make_watch<settings>(load());
//   g.go(serve(std::move(rx)));
//   (void)tx.update([](settings& s) { ++s.generation; });
//   …
//   for (settings current = rx.get();; current = rx.get()) {
//     apply(current);
//     if (auto changed = co_await rx.changed(); !changed) co_return;  // closed, or cancelled
//   }
#pragma once
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <tandem/csp/channel.hpp>
#include <tandem/csp/detail/board.hpp>
#include <tandem/errors/result.hpp>

namespace tandem::csp {

template <class T>
class watch_receiver;

namespace detail {

template <class T>
class watch_board final : public board {
 public:
  watch_board(T&& initial, std::source_location where)
      : board("watch", where), current_(std::make_shared<shell<T>>(std::move(initial))) {}

  struct version {
    std::shared_ptr<const shell<T>> value;
    std::uint64_t number;
  };
  [[nodiscard]] version current() noexcept {
    const std::lock_guard hold(*this);
    return {current_, posted()};
  }

  static constexpr std::uint64_t any = ~std::uint64_t{0};

  /// Posts `value` if the newest version is `expected`. Blocked: it is another one by now, and `value` as it was.
  [[nodiscard]] progress replace(T& value, std::uint64_t expected = any) {
    if (is_closed()) return progress::closed;  // a hint that saves the allocation
    auto fresh = std::make_shared<shell<T>>();
    wake_chain woken;
    {
      const std::lock_guard hold(*this);
      if (is_closed()) return progress::closed;
      if (expected != any && posted() != expected) return progress::blocked;
      fresh->emplace(std::move(value));
      current_.swap(fresh);  // the old one is let go after the lock
      post(woken);
    }
    woken.wake();
    return progress::done;
  }

 private:
  std::shared_ptr<shell<T>> current_;  // guarded by lock_; what it points to is constant
};

}  // namespace detail

/// The sending end of a watch.
///
/// Owns:    a share of it. Destroying the last sender closes it; receivers still get its last value.
/// Threads: every member may be called from any thread at any time, except that a handle must not be assigned to or
///          destroyed while it is used.
/// Order:   all receivers see the same sequence of values, with gaps.
template <class T>
class watch_sender : public detail::posting_end<detail::watch_board<T>> {
 public:
  using value_type = T;

  watch_sender() = default;

  /// Makes `value` the current one. After an error the caller still has it.
  ///
  /// Suspends: never; also callable outside of tasks. A loop that only sends does not let others run.
  /// Errors:   errc::closed. Throws std::bad_alloc, with nothing changed; std::logic_error if default-constructed.
  /// Memory:   everything before send() is visible to whoever gets the value. One allocation.
  [[nodiscard]] result<void> send(T&& value) const {
    if (this->target().replace(value) == detail::progress::closed) return fail(error_of(errc::closed));
    return {};
  }
  [[nodiscard]] result<void> send(const T& value) const {
    T copy(value);
    return send(std::move(copy));
  }

  /// Has `f` change a copy of the current value, and makes that the current one. `f(T&)` gives void, or whether it
  /// changed something: if not, nobody is told. If another change comes first, `f` is called again, with a copy of
  /// that. Gives whether there was a change.
  ///
  /// Suspends: never; `f` must not block.
  /// Errors:   errc::closed. What T's copy and `f` throw, with nothing changed; otherwise as send().
  template <std::invocable<T&> F>
  [[nodiscard]] result<bool> update(F&& f) const {
    for (;;) {
      const auto before = this->target().current();
      T value(**before.value);
      if constexpr (std::is_void_v<std::invoke_result_t<F&, T&>>) {
        std::invoke(f, value);
      } else {
        if (!std::invoke(f, value)) return false;
      }
      const detail::progress now = this->target().replace(value, before.number);
      if (now == detail::progress::closed) return fail(error_of(errc::closed));
      if (now == detail::progress::done) return true;
    }
  }

  /// A copy of the current value.   Errors: what T's copy throws; std::logic_error if default-constructed.
  [[nodiscard]] T get() const { return **this->target().current().value; }

  /// A receiver of the changes from now on.   Errors: throws std::logic_error if default-constructed.
  [[nodiscard]] watch_receiver<T> subscribe() const { return watch_receiver<T>(this->target()); }

 private:
  template <class U>
  friend std::pair<watch_sender<U>, watch_receiver<U>> make_watch(std::type_identity_t<U> initial,
                                                                  std::source_location where);
  explicit watch_sender(detail::watch_board<T>* adopted) noexcept
      : detail::posting_end<detail::watch_board<T>>(adopted) {}
};

/// One who watches. It has seen the value that was current when it was made.
///
/// Threads: one task or thread at a time; it must not be moved or destroyed while a call is in progress.
template <class T>
class watch_receiver : public detail::reading_end<detail::watch_board<T>> {
 public:
  using value_type = T;

  /// A handle that never sees a change.
  watch_receiver() = default;

  /// Waits until there is a value this receiver has not seen; from then on it has. Several changes make one. Await it
  /// in the expression that calls it.
  ///
  /// Suspends: while there is none; and once in a while after seeing one, to let others run.
  /// Cancel:   safe; on error no change was missed.
  /// Errors:   errc::closed once the watch is closed and its last value was seen, errc::cancelled,
  ///           errc::deadline_exceeded.
  [[nodiscard]] auto changed() noexcept { return detail::read_operation<watch_receiver>(*this); }

  /// changed() for threads that are no workers: blocks the thread.
  /// Errors: errc::closed. Throws std::logic_error on a worker's thread, or if default-constructed.
  [[nodiscard]] result<void> blocking_changed() { return detail::blocking_read(*this); }

  /// Would changed() succeed at once?
  [[nodiscard]] bool has_changed() const noexcept { return *this && this->board_->posted() != this->seen_; }

  /// A copy of the current value, which this receiver has seen from now on.
  /// Errors: what T's copy throws; std::logic_error if default-constructed.
  [[nodiscard]] T get() {
    if (!*this) throw_empty();
    const auto current = this->board_->current();
    T copy(**current.value);
    this->seen_ = current.number;
    return copy;
  }

  /// Another receiver, of the changes from now on.   Errors: throws std::logic_error if default-constructed.
  [[nodiscard]] watch_receiver subscribe() const {
    if (!*this) throw_empty();
    return watch_receiver(*this->board_);
  }

  /// Not for users: after a look that said there is something.
  [[nodiscard]] result<void> take() noexcept {
    this->seen_ = this->board_->current().number;
    return {};
  }

 private:
  template <class U>
  friend std::pair<watch_sender<U>, watch_receiver<U>> make_watch(std::type_identity_t<U> initial,
                                                                  std::source_location where);
  friend watch_sender<T>;
  using base = detail::reading_end<detail::watch_board<T>>;

  explicit watch_receiver(detail::watch_board<T>* adopted) noexcept : base(adopted, 0) {}
  explicit watch_receiver(detail::watch_board<T>& shared) noexcept : base(&shared, shared.posted()) {
    shared.add_reader();
  }

  [[noreturn]] static void throw_empty() {
    throw std::logic_error("tandem: a watch_receiver of no watch was used; make one first");
  }
};

/// Makes a watch whose value is `initial`.   Errors: throws std::bad_alloc.
template <class T>
[[nodiscard]] std::pair<watch_sender<T>, watch_receiver<T>> make_watch(
    std::type_identity_t<T> initial, std::source_location where = std::source_location::current()) {
  static_assert(channel_value<T> && std::copy_constructible<T>,
                "a watch's value must be copyable, and movable without throwing; if it is not, watch a "
                "std::shared_ptr<const T>");
  auto* const made = new detail::watch_board<T>(std::move(initial), where);
  return {watch_sender<T>(made), watch_receiver<T>(made)};
}

/// An arm of select() that is chosen when `of` has not seen the current value. Yields what changed() does; its only
/// error is errc::closed.
template <class T>
[[nodiscard]] auto on_change(watch_receiver<T>& of) noexcept {
  return detail::read_arm<watch_receiver<T>>(of);
}

}  // namespace tandem::csp
