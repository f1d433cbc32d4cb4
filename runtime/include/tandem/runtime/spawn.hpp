// Starting tasks: spawn() and the handle to join them by.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <tandem/errors/exception.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/detail/worker.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/this_task.hpp>

namespace tandem {

/// What a spawned task is called and what it runs under.
struct spawn_options {
  spawn_options() = default;
  /*implicit*/ spawn_options(const char* n) noexcept : name(n) {}
  /*implicit*/ spawn_options(tandem::context c) noexcept : context(std::move(c)) {}
  spawn_options(const char* n, tandem::context c) noexcept : name(n), context(std::move(c)) {}

  /// For a task with a context of its own below `context`, so that join_handle::cancel() can end it. This costs an
  /// allocation, and a registration with that context at each of the task's waits: so it is for those who need it.
  [[nodiscard]] static spawn_options cancellable(const char* name = "task") noexcept {
    spawn_options made(name);
    made.own_context = true;
    return made;
  }

  const char* name = "task";               ///< Shown in reports; null: "task". A literal, kept for ever.
  std::optional<tandem::context> context;  ///< Default: the spawning task's; outside of tasks, the runtime's root.
  bool own_context = false;                ///< See cancellable().
};

namespace detail {

/// False if the runtime takes no tasks any more; then it must not be started, nor removed.
[[nodiscard]] bool add_live_task(task_record& task) noexcept;
void remove_live_task(task_record& task) noexcept;
context_state* context_for_spawn(scheduler& s, const spawn_options& options) noexcept;
[[nodiscard]] context child_of(context_state* parent);

/// True if `what` only says that the task's context is over: whoever ended that knows.
[[nodiscard]] bool ended_by_context(task_record& task, const error& what) noexcept;

/// Tells somebody about an outcome nobody will join: an error is printed to stderr; an escaped exception goes to the
/// escape handler.
void report_unobserved(const task_record& task, const error& what, bool escaped_exception) noexcept;

/// Ends `own`, the context of the task that completes `what`, unless that has ended.
/// Errors: throws std::logic_error without a context of its own.
bool cancel_task(completion_base* what, const context& own, error cause);

/// The outcome of a task that shutdown did not let start, or destroyed.
[[nodiscard]] error ended_by_shutdown();

/// What a join that cannot be is told.
[[nodiscard]] error join_refused(const char* why);

/// A spawned task: its record, its result, and the end of its outermost coroutine, in one object.
template <class T>
class spawned final : public task_record {
  using value = plain_value_t<T>;
  static_assert(pool_aligned<value>, "a result cannot be aligned more strictly than operator new aligns");

 public:
  spawned(scheduler& s, context_state* inherited, origin_id made_by) : task_record(s, made_by) {
    if constexpr (keeps == where::elsewhere) own_place_ = std::make_unique<value_space>();
    hold_context(inherited);
  }

  ~spawned() override {
    leave_context();
    if (if_untaken_ != untaken::nothing) report_unobserved(*this, outcome().error(), if_untaken_ == untaken::escalate);
    if (is_ready()) std::destroy_at(&outcome());
  }

  /// Unless it is `welcome`, or when it comes too late, it ends at once.
  void start(task<T> body, bool welcome = true) noexcept {
    const auto frame = body.release();
    static constexpr end_hook hook{&ended, nullptr};
    begin_with(*this, frame, hook);
    if (welcome && add_live_task(*this)) {
      schedule_behind_others(*this);
    } else {
      frame.destroy();
      leave_context();
      publish_last(fail(ended_by_shutdown()));
    }
  }

 private:
  struct value_space {
    alignas(result<value>) std::byte bytes[sizeof(result<value>)];
  };
  struct nothing {};
  enum class where : std::uint8_t { room, member, elsewhere };
  static constexpr where keeps = sizeof(value_space) <= room_bytes && alignof(value_space) <= alignof(void*) ? where::room
                                 : sizeof(value_space) <= 512                                               ? where::member
                                                                                                            : where::elsewhere;
  using own_place = std::conditional_t<keeps == where::room, nothing,
                                       std::conditional_t<keeps == where::member, value_space, std::unique_ptr<value_space>>>;

  [[nodiscard]] void* place() noexcept override {
    if constexpr (keeps == where::room) {
      return room();
    } else if constexpr (keeps == where::member) {
      return &own_place_;
    } else {
      return own_place_.get();
    }
  }
  [[nodiscard]] result<value>& outcome() noexcept { return *static_cast<result<value>*>(place()); }

  static after_end ended(promise_base& outermost) noexcept {
    auto& self = static_cast<spawned&>(*outermost.record);
    const auto frame = std::coroutine_handle<promise<T>>::from_promise(static_cast<promise<T>&>(outermost));
    if (tls_worker->destroys_tasks) [[unlikely]] {
      self.end(frame, fail(ended_by_shutdown()));
    } else {
      self.finish(frame);
    }
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
      if (!*outcome && !ended_by_context(*this, outcome->error())) if_untaken_ = untaken::report;
    } catch (...) {
      error thrown = from_exception(std::current_exception());
      if (!ended_by_context(*this, thrown)) if_untaken_ = untaken::escalate;
      outcome.emplace(fail(std::move(thrown)));
    }
    end(frame, std::move(*outcome));
  }

  void end(std::coroutine_handle<promise<T>> frame, result<value>&& outcome) noexcept {
    frame.destroy();
    leave_context();
    remove_live_task(*this);
    set_running(*tls_worker, nullptr);  // a watchdog's signal must not look at a record that goes
    publish_last(std::move(outcome));
  }

  void publish_last(result<value>&& outcome) noexcept {
    complete_with(std::move(outcome));
    release();
  }

  [[no_unique_address]] own_place own_place_;
};

template <class T>
class [[nodiscard]] join_operation : public awaitable_base {
 public:
  join_operation(completion_ptr<T>& what, time_point limit) noexcept : what_(what), limit_(limit) {}

  bool await_ready() noexcept {
    if (!what_) {
      state_ = phase::empty;
    } else if (what_->is_ready()) {
      state_ = phase::ready;
      return spend_slice();
    } else if (what_->completing_task() == &current_task()) {
      state_ = phase::oneself;
    } else {
      return false;
    }
    return true;
  }
  template <std::derived_from<promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> self) {
    task_record& task = suspend_here(self, *this);
    if (state_ == phase::ready) {  // only the slice is used up
      yield_to_others(task);
      return true;
    }
    state_ = phase::waiting;
    if (limit_ == no_deadline) {
      wait_.start_behind_others(task, *what_.get());
      return true;
    }
    return wait_.start(task, what_.get(), limit_, what_->joined_as());
  }
  result<T> await_resume() {
    if (state_ == phase::empty)
      return fail(join_refused("the handle is empty: it was joined, detached, or never had a task"));
    if (state_ == phase::oneself) return fail(join_refused("a task cannot join itself"));
    if (state_ == phase::waiting) {
      switch (wait_.finish()) {
        case completion_wait::ended::completed:
          break;
        case completion_wait::ended::context:
          return fail(context_error(current_task()));
        case completion_wait::ended::limit:
          return fail(error_of(errc::timed_out));
        case completion_wait::ended::occupied:
          return fail(join_refused("another task is joining by this handle"));
      }
    }
    const completion_ptr<T> ended = std::exchange(what_, completion_ptr<T>());
    return ended.take();
  }

 private:
  enum class phase : std::uint8_t { unknown, ready, waiting, empty, oneself };

  completion_ptr<T>& what_;
  time_point limit_;
  phase state_ = phase::unknown;
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
///          reports and shutdown still find it. Its error is then printed to stderr; an exception that escapes it goes
///          to the escape handler, which aborts unless it was replaced.
/// Threads: use one handle from one task at a time.
///
/// A handle is empty when default-constructed, moved from, joined or detached.
template <class T>
class [[nodiscard]] join_handle {
 public:
  using value_type = detail::plain_value_t<T>;

  join_handle() = default;
  join_handle(join_handle&&) noexcept = default;
  join_handle& operator=(join_handle other) noexcept {
    std::swap(target_, other.target_);
    std::swap(own_context_, other.own_context_);
    return *this;
  }
  ~join_handle() { detach(); }

  /// Waits for the task to end and gives its result; an exception it threw arrives as an error. The handle is then
  /// empty. csp::on_join() is the same as an arm of select().
  ///
  /// Suspends: until the task has ended and its frame is destroyed, or the caller's context is over.
  /// Cancel:   safe; the task is not cancelled by this, and the handle may be joined again.
  /// Errors:   the task's own, errc::cancelled, errc::deadline_exceeded; errc::failed_precondition for an empty handle,
  ///           the caller's own, or one that another task is joining by. errc::cancelled also if shutdown() destroyed
  ///           the task, or it was spawned after that; the handle is empty then.
  [[nodiscard]] auto join() noexcept { return detail::join_operation<value_type>(target_, no_deadline); }

  /// join(), for at most `limit`.   Errors: those of join(), and errc::timed_out; the handle may be joined again.
  [[nodiscard]] auto join_for(duration limit) noexcept {
    return detail::join_operation<value_type>(target_, deadline_in(limit));
  }

  /// True if join() would not wait.
  [[nodiscard]] bool done() const noexcept { return !target_ || target_->is_ready(); }
  /// False if the handle is empty.
  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(target_); }

  /// Ends the context of the task, and of all that it started under it, with errc::cancelled and `cause` attached (as
  /// cancel_source::cancel()). The task ends when it has noticed; join() waits for that. A task that has not run yet
  /// runs up to its first wait. True if this call ended the context; false if it was over, the task has ended, or the
  /// handle is empty.
  /// Errors: throws std::logic_error if the task was not spawned with spawn_options::cancellable().
  bool cancel(error cause = {}) const { return detail::cancel_task(target_.get(), own_context_, std::move(cause)); }

  /// Lets the task run on unjoined, on purpose: in the background, where reports and shutdown still find it, under
  /// `name` if there is one (a literal). Does nothing to an empty handle.
  void detach(const char* name = nullptr) noexcept {
    if (target_ && !target_->is_ready())
      if (detail::task_record* const left = target_->completing_task()) left->let_go(name);
    disown();
  }

  /// Not for users: detach() for those who see to the task's end by themselves, so that it is not in the background.
  void disown() noexcept {
    target_ = {};
    own_context_ = {};
  }
  explicit join_handle(detail::completion_base* adopted, context own = {}) noexcept
      : target_(adopted), own_context_(std::move(own)) {}
  [[nodiscard]] detail::completion_ptr<value_type>& target() noexcept { return target_; }

 private:
  detail::completion_ptr<value_type> target_;
  context own_context_;  // of a cancellable task
};

namespace detail {
template <class T>
join_handle<T> spawn_on(scheduler& s, task<T> body, const spawn_options& options, std::source_location where) {
  context own;
  context_state* under = context_for_spawn(s, options);
  if (options.own_context) {
    own = child_of(under);
    under = own.state();
  }
  auto* made = new spawned<T>(s, under, id_of_origin(options.name, where));
  join_handle<T> handle(made, std::move(own));
  // Once shutdown has begun: what is there may still need others to end, but threads could keep it going for ever.
  made->start(std::move(body), (tls_worker && tls_worker->owner == &s) || !is_stopping(s));
  return handle;
}
}  // namespace detail

/// Starts `body` on the calling task's runtime. It runs soon, on any worker; spawn() itself never suspends. When
/// shutdown has given up waiting, `body` is destroyed instead, see join().
/// Errors: throws std::bad_alloc, and std::logic_error if no task of a runtime calls it (elsewhere: runtime::spawn).
template <class T>
join_handle<T> spawn(task<T> body, const spawn_options& options = {},
                     std::source_location where = std::source_location::current()) {
  return detail::spawn_on(detail::scheduler_of_caller("spawn()"), std::move(body), options, where);
}

/// Starts `function()`, keeping `function` and its captures alive until the task has ended.
template <class F>
  requires task_function<F&>
auto spawn(F function, const spawn_options& options = {},
           std::source_location where = std::source_location::current()) {
  return spawn(detail::keep_alive(std::move(function)), options, where);
}

}  // namespace tandem
