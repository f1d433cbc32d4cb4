// Starting tasks: spawn() and the handle to join them by.
#pragma once
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem {

/// What a spawned task is called and what it runs under.
struct spawn_options {
  spawn_options() = default;
  /*implicit*/ spawn_options(const char* n) noexcept : name(n) {}
  /*implicit*/ spawn_options(tandem::context c) noexcept : context(std::move(c)) {}
  spawn_options(const char* n, tandem::context c) noexcept : name(n), context(std::move(c)) {}

  const char* name = "task";               ///< Shown in reports. Must outlive the task: a literal.
  std::optional<tandem::context> context;  ///< Default: the spawning task's; outside of tasks, the runtime's root.
};

namespace detail {

void add_live_task(task_record& task) noexcept;
void remove_live_task(task_record& task) noexcept;
context_state* context_for_spawn(scheduler& s, const spawn_options& options) noexcept;
void schedule_new(task_record& task) noexcept;

/// True if `what` only says that the task's context is over: whoever ended that knows.
[[nodiscard]] bool ended_by_context(const task_record& task, const error& what) noexcept;

/// Tells somebody about an outcome nobody will join: an error is printed to stderr; an escaped exception is printed
/// and aborts the process.
void report_unobserved(const task_record& task, const error& what, bool escaped_exception) noexcept;

/// A spawned task: its record, its result, and the end of its outermost coroutine, in one object.
template <class T>
class spawned final : public completion<plain_value_t<T>>, public task_record {
  using value = plain_value_t<T>;

 public:
  spawned(scheduler& s, context_state* inherited, const spawn_options& options, std::source_location where) noexcept
      : task_record(s, inherited, options.name, where) {}

  ~spawned() override {
    if (this->taken_ || !this->outcome_ || *this->outcome_) return;
    if (escaped_ || !ended_by_context(*this, this->outcome_->error()))
      report_unobserved(*this, this->outcome_->error(), escaped_);
  }

  void start(task<T> body) noexcept {
    begin_with(*this, body.release(), &ended);
    add_live_task(*this);
    schedule_new(*this);
  }

 private:
  static after_end ended(promise_base& outermost) noexcept {
    auto& self = static_cast<spawned&>(*outermost.record);
    self.finish(std::coroutine_handle<promise<T>>::from_promise(static_cast<promise<T>&>(outermost)));
    return after_end::nothing;
  }

  void finish(std::coroutine_handle<promise<T>> frame) noexcept {
    std::optional<result<value>> outcome;
    try {
      if constexpr (std::is_void_v<T>) {
        frame.promise().take();
        outcome.emplace();
      } else {
        outcome.emplace(frame.promise().take());
      }
    } catch (...) {
      escaped_ = true;
      outcome.emplace(fail(from_exception(std::current_exception())));
    }
    frame.destroy();
    remove_live_task(*this);
    set_running(*tls_worker, nullptr);  // a watchdog's signal must not look at a record that goes
    this->complete(std::move(*outcome));
    this->release();
  }

  bool escaped_ = false;  // written before complete(), read by the last owner
};

template <class T>
class [[nodiscard]] join_operation : public awaitable_base {
 public:
  join_operation(completion_ptr<T>& what, time_point limit) noexcept : what_(what), limit_(limit) {}

  bool await_ready() const noexcept { return what_->is_ready(); }
  template <std::derived_from<promise_base> P>
  bool await_suspend(std::coroutine_handle<P> self) {
    task_record& task = *self.promise().record;
    task.resume_point = self;
    waited_ = true;
    return wait_.start(task, what_.get(), limit_, what_->joined_as());
  }
  result<T> await_resume() {
    if (waited_) {
      const auto ended = wait_.finish();
      if (ended == completion_wait::ended::context) return fail(context_error(current_task()));
      if (ended == completion_wait::ended::limit) return fail(error_of(errc::timed_out));
    }
    result<T> outcome = what_->take();
    what_ = completion_ptr<T>();
    return outcome;
  }

 private:
  completion_ptr<T>& what_;
  time_point limit_;
  bool waited_ = false;
  completion_wait wait_;
};

template <class F>
std::invoke_result_t<F&> keep_alive(F function) {
  co_return co_await function().unlisted();
}

}  // namespace detail

/// The right to wait for a spawned task, or for a call on the blocking pool.
///
/// Owns:    a share of the result, not of the task: dropping the handle lets the task run on in the background, where
///          shutdown still finds it. Its error is then printed to stderr; an exception that escapes it aborts.
/// Threads: use one handle from one task at a time.
template <class T>
class [[nodiscard]] join_handle {
 public:
  using value_type = detail::plain_value_t<T>;

  join_handle() = default;

  /// Waits for the task to end and gives its result; an exception it threw arrives as an error. The handle is then
  /// empty.
  ///
  /// Suspends: until the task has ended and its frame is destroyed, or the caller's context is over.
  /// Cancel:   safe; the task is not cancelled by this, and the handle may be joined again.
  /// Errors:   the task's own, errc::cancelled, errc::deadline_exceeded.
  [[nodiscard]] auto join() noexcept { return detail::join_operation<value_type>(target_, no_deadline); }

  /// join(), for at most `limit`.   Errors: those of join(), and errc::timed_out; the handle may be joined again.
  [[nodiscard]] auto join_for(duration limit) noexcept {
    return detail::join_operation<value_type>(target_, deadline_in(limit));
  }

  /// True if join() would not wait. The handle must not be empty.
  [[nodiscard]] bool done() const noexcept { return target_->is_ready(); }
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(target_); }

  /// Lets the task run on unjoined, on purpose.
  void detach() noexcept { target_ = {}; }

  /// Not for users.
  explicit join_handle(detail::completion<value_type>* adopted) noexcept : target_(adopted) {}
  [[nodiscard]] detail::completion_ptr<value_type>& target() noexcept { return target_; }

 private:
  detail::completion_ptr<value_type> target_;
};

namespace detail {
template <class T>
join_handle<T> spawn_on(scheduler& s, task<T> body, const spawn_options& options, std::source_location where) {
  auto* made = new spawned<T>(s, context_for_spawn(s, options), options, where);
  join_handle<T> handle(made);
  made->start(std::move(body));
  return handle;
}
}  // namespace detail

/// Starts `body` on the calling task's runtime. It runs soon, on any worker; spawn() itself never suspends.
/// Errors: throws std::bad_alloc. Must be called by a task (elsewhere: runtime::spawn).
template <class T>
join_handle<T> spawn(task<T> body, const spawn_options& options = {},
                     std::source_location where = std::source_location::current()) {
  return detail::spawn_on(*detail::current_scheduler(), std::move(body), options, where);
}

/// Starts `function()`, keeping `function` and its captures alive until the task has ended.
template <class F>
  requires task_function<F&>
auto spawn(F function, const spawn_options& options = {},
           std::source_location where = std::source_location::current()) {
  return spawn(detail::keep_alive(std::move(function)), options, where);
}

}  // namespace tandem
