// The implicit context of a task: its deadline, whether it was cancelled, and values that travel with it. It is
// inherited at spawn and co_await. with_context.hpp runs a piece of a task under another one; after_func.hpp reacts
// to its end.
#pragma once
#include <type_traits>
#include <utility>

#include <tandem/errors/error.hpp>
#include <tandem/runtime/detail/context_node.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem {

template <class T>
class context_key;

/// What a task runs under. Every suspending operation ends early with errc::cancelled or errc::deadline_exceeded when
/// its context is over; tasks started in between inherit the context.
///
/// A context ends once, for the reason that came first: its own cancel() or deadline, or the end of its parent, whose
/// reason it then has. What comes later changes nothing. An operation that took effect before it noticed reports
/// success.
///
/// Owns:    a share of the context; copies are cheap and refer to the same one.
/// Threads: every member may be called from any thread.
class context {
 public:
  /// A context that is never over, has no deadline and no values.
  context() = default;
  context(const context& other) noexcept : state_(other.state_) {
    if (state_) detail::retain(*state_);
  }
  context(context&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  context& operator=(context other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~context() {
    if (state_) detail::release(*state_);
  }

  /// True once it was cancelled, or its deadline or an ancestor's was noticed to have passed.
  [[nodiscard]] bool is_over() const noexcept;

  /// Why it is over, no error while it is not: errc::cancelled or errc::deadline_exceeded, with the cause attached.
  [[nodiscard]] error why() const;

  /// The earliest deadline of this context and its ancestors; no_deadline if there is none.
  [[nodiscard]] time_point deadline() const noexcept;

  /// The value that with_value() gave the innermost context with this key; null if there is none. Borrows from this
  /// context and its descendants. Takes a step per value on the way up, however many deadlines and cancels are between.
  template <class T>
  [[nodiscard]] const T* value(const context_key<T>& key) const noexcept {
    const detail::context_value* const found = detail::find_value(state_, &key);
    return found ? &static_cast<const detail::typed_value<T>*>(found)->held : nullptr;
  }

  /// Not for users: the runtime's view.
  [[nodiscard]] detail::context_state* state() const noexcept { return state_; }
  explicit context(detail::context_state* adopted) noexcept : state_(adopted) {}

 private:
  detail::context_state* state_ = nullptr;
};

/// Names a value of contexts. Two keys are different even if they have the same name: a module that keeps its key to
/// itself keeps the value to itself. Make them `inline constexpr` or static, for values refer to them:
/// ```
/// inline constexpr context_key<std::string> request_id("request id");
/// ```
template <class T>
class context_key {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>);

 public:
  /// `name` is for the reader; it must outlive the key.
  constexpr explicit context_key(const char* name) noexcept : name_(name) {}
  context_key(const context_key&) = delete;
  context_key& operator=(const context_key&) = delete;

  [[nodiscard]] constexpr const char* name() const noexcept { return name_; }

 private:
  const char* name_;
};

/// `parent` with `value` under `key`, which hides a value that `parent` may have under it. The value never changes: to
/// share something that does, give a pointer to it, and see to its locking.
/// Errors: throws std::bad_alloc, and what moving a T throws.
template <class T>
[[nodiscard]] context with_value(const context& parent, const context_key<T>& key, std::type_identity_t<T> value) {
  static_assert(detail::pool_aligned<T>, "a value cannot be aligned more strictly than operator new aligns");
  return context(new detail::typed_value<T>(parent.state(), &key, std::move(value)));
}

/// The values of `parent`, without its deadline and its end: for what must be finished even though its cause is gone.
/// Not even shutdown() cancels what runs under it; if it takes too long, it is named and destroyed.
/// Errors: throws std::bad_alloc.
[[nodiscard]] context without_cancel(const context& parent);

/// Makes a child context and holds the right to cancel it.
///
/// Owns:    a share of the child. Destroying the source does not cancel it. A deadline is kept by the runtime of `parent`, or
///          else of the caller: a context that outlives that runtime is not ended by it any more.
/// Threads: every member may be called from any thread.
class cancel_source {
 public:
  /// A child of `parent`: it is over when its parent is, when cancel() is called, or when `deadline` passes; in that
  /// last case `cause`, if there is one, is attached to errc::deadline_exceeded.
  /// Errors: throws std::bad_alloc, and std::logic_error for a deadline where neither `parent` nor the caller has a
  ///         runtime to keep the timer.
  explicit cancel_source(const context& parent, time_point deadline = no_deadline, error cause = {});

  /// A child of the calling task's context; outside of tasks, of a context that is never over.
  cancel_source();

  [[nodiscard]] const tandem::context& context() const noexcept { return child_; }

  /// Ends every wait below the child with errc::cancelled and `cause` attached (no error: no cause is given).
  /// A `cause` that is itself errc::cancelled or errc::deadline_exceeded is passed on as it is.
  /// True if this call ended the context, false if it was over already.
  ///
  /// Takes time in proportion to the contexts and waits below the child, on the calling thread, but no lock for longer
  /// than a few of them: what goes on elsewhere goes on. When it returns, all of them are over, except below a context
  /// that somebody else is ending right now.
  bool cancel(error cause = {}) const noexcept;

 private:
  tandem::context child_;
};

namespace detail {
/// What a context ends with that is cancelled because of `cause`.
[[nodiscard]] error cancelled_because(error cause) noexcept;
}  // namespace detail

namespace this_task {

/// The calling task's context; outside of tasks, one that is never over.
[[nodiscard]] tandem::context context() noexcept;

}  // namespace this_task
}  // namespace tandem
