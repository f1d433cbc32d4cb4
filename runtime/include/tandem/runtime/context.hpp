// The implicit context of a task: its deadline and whether it was cancelled, inherited at spawn and co_await.
#pragma once
#include <utility>

#include <tandem/errors/error.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem {

namespace detail {
struct context_state;
void retain(context_state& state) noexcept;
void release(context_state& state) noexcept;
}  // namespace detail

/// What a task runs under. Every suspending operation ends early with errc::cancelled or errc::deadline_exceeded when
/// its context is over; tasks started in between inherit the context.
///
/// Owns:    a share of the context; copies are cheap and refer to the same one.
/// Threads: every member may be called from any thread.
class context {
 public:
  /// A context that is never over and has no deadline.
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

  /// Not for users: the runtime's view.
  [[nodiscard]] detail::context_state* state() const noexcept { return state_; }
  explicit context(detail::context_state* adopted) noexcept : state_(adopted) {}

 private:
  detail::context_state* state_ = nullptr;
};

/// Makes a child context and holds the right to cancel it.
///
/// Owns:    a share of the child. Destroying the source does not cancel it.
/// Threads: every member may be called from any thread.
class cancel_source {
 public:
  /// A child of `parent`: it is over when its parent is, when cancel() is called, or when `deadline` passes.
  /// Errors: throws std::bad_alloc, and std::logic_error for a deadline where neither `parent` nor the caller has a
  ///         runtime to keep the timer.
  explicit cancel_source(const context& parent, time_point deadline = no_deadline);

  /// A child of the calling task's context; outside of tasks, of a context that is never over.
  cancel_source();

  [[nodiscard]] const tandem::context& context() const noexcept { return child_; }

  /// Ends every wait below the child with errc::cancelled and `cause` attached (no error: no cause is given).
  /// A `cause` that is itself errc::cancelled or errc::deadline_exceeded is passed on as it is.
  /// True if this call ended the context, false if it was over already.
  bool cancel(error cause = {}) const noexcept;

 private:
  tandem::context child_;
};

namespace this_task {

/// The calling task's context; outside of tasks, one that is never over.
[[nodiscard]] tandem::context context() noexcept;

}  // namespace this_task
}  // namespace tandem
