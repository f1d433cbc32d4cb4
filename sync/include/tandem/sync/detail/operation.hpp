// What `co_await` does at a primitive: tries, waits, and tells how that ended.
#pragma once
#include <concepts>
#include <coroutine>
#include <type_traits>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/promise.hpp>
#include <tandem/runtime/detail/timer.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/sync/detail/waitable.hpp>

namespace tandem::sync::detail {

/// An operation waits as long as it takes.
struct unlimited {
  void disarm() noexcept {}
  static constexpr bool passed = false;
};

/// An operation waits until a time.
class time_limit : public tandem::detail::timer_node {
 public:
  explicit time_limit(time_point until) noexcept : timer_node(nullptr), until_(until.time_since_epoch()) {}
  explicit time_limit(duration from_now) noexcept : timer_node(nullptr), until_(from_now), relative_(true) {}

  /// The clock is read here, so not by an operation that need not wait.   Errors: throws std::bad_alloc.
  void arm(task_record& waiting, fire_function f) {
    armed_for = &waiting;
    const time_point start = now();
    const time_point until = relative_ ? deadline_after(start, until_) : time_point(until_);
    passed = until <= start;
    fire = f;
    if (!passed) tandem::detail::arm_timer(*waiting.owner, *this, until);
  }
  void disarm() noexcept {
    if (heap) tandem::detail::disarm_timer(*this);
  }

  task_record* armed_for = nullptr;
  bool passed = false;  // guarded by the primitive's lock, once armed

 private:
  duration until_;  // on the clock, or if relative_ from the start
  bool relative_ = false;
};

/// One operation. What need not wait is done in await_ready(), under the primitive's lock.
///
/// What must wait announces that to its context first, as a canceller takes the context's lock before the primitive's.
/// Then it tries again under the primitive's lock, and links its task. A canceller, or the timer, that finds the task
/// not linked leaves a note instead (the context is over, time_limit::passed), and who links looks at that under the
/// lock. An operation whose slice is used up lets others run *before* it tries, so nothing is held meanwhile.
///
/// Derived has
/// - `using waiter = …`: a base of it, or itself: what task_record::what refers to, for the primitive;
/// - `static constexpr const char* name`: completes "waiting for …";
/// - `P& where()`: the primitive, a waitable;
/// - `bool attempt(wake_list&)`, under the lock: takes effect if it can, which may end other waits;
/// - `void give_back()`: undoes that, for a task that is destroyed before it gets to know.
/// It may have its own of what is declared under `protected`; the functions are called under the lock.
template <class Derived, class Limit>
class operation : public tandem::detail::awaitable_base, protected Limit {
 public:
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;

  bool await_ready() noexcept {
    task_record& task = tandem::detail::current_task();
    task.waited = false;
    if (!tandem::detail::spend_slice()) [[unlikely]] return false;
    return try_once();
  }

  template <std::derived_from<tandem::detail::promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> self) noexcept(std::is_same_v<Limit, unlimited>) {
    return begin(tandem::detail::suspend_here(self, *this));
  }

 protected:
  template <class... T>
  explicit operation(T... limit) noexcept : Limit(limit...) {}

  /// What await_resume() starts with: ends the wait, if there was one. Fails if the operation did not take effect.
  result<void> finish() {
    task_record& task = tandem::detail::current_task();
    if (!task.waited) [[likely]] return {};
    this->disarm();
    tandem::detail::end_wait(task);
    task.looks = false;
    switch (outcome_of(task)) {
      case progress::done: return {};
      case progress::limit: return fail(errc::timed_out);
      default: return fail(context_error(task));
    }
  }

  /// Does it let others run, if its slice is used up, before it tries?
  static constexpr bool yields_first = true;
  /// Does the waiting task try again once it is made ready?
  static constexpr bool looks_again = false;
  void about_to_try() noexcept {}
  void about_to_wait(task_record&) noexcept {}
  void link(task_record& task) noexcept { self().where().link(task); }
  void gave_up(wake_list&) noexcept {}

 private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }
  static operation& operation_of(const task_record& task) noexcept {
    return static_cast<Derived&>(*static_cast<typename Derived::waiter*>(task.what));
  }

  bool try_once() noexcept {
    wake_list woken;
    self().where().section().lock();
    const bool done = self().attempt(woken);
    self().where().section().unlock();
    woken.wake();
    return done;
  }

  // True if the task must stay suspended; then it may run elsewhere already, and *this may be gone.
  bool begin(task_record& task) noexcept(std::is_same_v<Limit, unlimited>) {
    task.waited = true;
    set_outcome(task, progress::blocked);
    if (!tandem::detail::begin_wait(task, kind(), static_cast<typename Derived::waiter*>(&self()))) {
      set_outcome(task, progress::over);
    } else {
      arm_limit(task);
      if (!Derived::yields_first || tandem::detail::slice_left()) return !proceed(task);
      task.looks = true;
    }
    if (tandem::detail::slice_left()) return false;
    tandem::detail::yield_to_others(task);
    return true;
  }

  void arm_limit(task_record& task) noexcept(std::is_same_v<Limit, unlimited>) {
    if constexpr (!std::is_same_v<Limit, unlimited>) {
      try {
        this->arm(task, [](tandem::detail::timer_node& node) noexcept -> tandem::detail::job* {
          static_cast<operation&>(static_cast<Limit&>(node)).pass_limit();
          return nullptr;
        });
      } catch (...) {
        tandem::detail::end_wait(task);
        throw;
      }
    }
  }

  // True if the task goes on. False: it waits, and may run elsewhere already.
  bool proceed(task_record& task) noexcept {
    auto& where = self().where();
    wake_list woken;
    where.section().lock();
    self().about_to_try();
    if (outcome_of(task) == progress::blocked) {
      if (self().attempt(woken)) {
        set_outcome(task, progress::done);
      } else if (this->passed || context_over(task)) {
        set_outcome(task, this->passed ? progress::limit : progress::over);
        self().gave_up(woken);
      } else {
        self().about_to_wait(task);
        task.looks = Derived::looks_again;
        self().link(task);
        where.section().unlock();
        return false;
      }
    }
    where.section().unlock();
    woken.wake();
    return true;
  }

  void pass_limit() noexcept
    requires(!std::is_same_v<Limit, unlimited>)
  {
    self().where().section().lock();
    this->passed = true;
    end_early(*this->armed_for, progress::limit);
  }

  // Under the lock, which it releases: ends the wait unless somebody has, or the task is about to look.
  void end_early(task_record& task, progress why) noexcept {
    auto& where = self().where();
    const bool ends = task.linked;
    wake_list woken;
    if (ends) {
      where.unlink(task);
      set_outcome(task, why);
      task.looks = false;
      self().gave_up(woken);
    }
    where.section().unlock();
    woken.wake();
    if (ends) make_ready(task);
  }

  static void cancel(task_record& task) noexcept {
    operation& own = operation_of(task);
    own.self().where().section().lock();
    own.end_early(task, progress::over);
  }

  // The task was cancelled and made ready, so it is not linked.
  static void leave(task_record& task) noexcept {
    operation& own = operation_of(task);
    wake_list woken;
    own.self().where().section().lock();
    own.self().about_to_try();
    const bool done = outcome_of(task) == progress::done;
    if (!done) own.self().gave_up(woken);
    own.self().where().section().unlock();
    woken.wake();
    own.disarm();
    tandem::detail::end_wait(task);
    if (done) own.self().give_back();
  }

  static bool look(task_record& task) noexcept { return operation_of(task).proceed(task); }

  static const tandem::detail::wait_kind& kind() noexcept {
    static constexpr tandem::detail::wait_kind made{Derived::name, &operation::cancel, nullptr, &operation::leave,
                                                    &operation::look};
    return made;
  }
};

}  // namespace tandem::sync::detail
