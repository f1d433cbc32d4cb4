// The awaitables behind tell() and ask().
#pragma once
#include <concepts>
#include <coroutine>
#include <utility>

#include <tandem/actors/detail/target.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::actors::detail {

[[nodiscard]] error empty_ref();

/// Delivers one message, waiting for room.
///
/// (O1) cancel() may run on another thread from begin_wait() to end_wait(); what it shares with this task is in the
///      waiter, under the target's lock (V1).
class [[nodiscard]] tell_operation : public tandem::detail::awaitable_base {
 public:
  /// Borrows the target: the ref outlives the operation.
  tell_operation(target* to, envelope_ptr message) noexcept : to_(to), waiter_(std::move(message)) {}

  bool await_ready() noexcept {
    if (!to_) {
      waiter_.why = empty_ref();
      waiter_.state = room_waiter::phase::failed;
      return true;
    }
    if (context_over(tandem::detail::current_task())) {
      waiter_.state = room_waiter::phase::cancelled;
      return true;
    }
    switch (to_->try_deliver(waiter_.message, waiter_.why)) {
      case target::delivery::delivered:
        waiter_.state = room_waiter::phase::admitted;
        return tandem::detail::spend_slice();
      case target::delivery::failed:
        waiter_.state = room_waiter::phase::failed;
        return true;
      default:
        return false;
    }
  }

  template <std::derived_from<tandem::detail::promise_base> P>
  bool await_suspend(std::coroutine_handle<P> self) noexcept {
    tandem::detail::task_record& task = *self.promise().record;
    task.resume_point = self;
    if (waiter_.state == room_waiter::phase::admitted) {
      yield_to_others(task);
      return true;
    }
    waited_ = true;
    static const tandem::detail::wait_kind kind{"room in a mailbox", &cancel, nullptr, &leave};
    if (!begin_wait(task, kind, this)) {
      waiter_.state = room_waiter::phase::cancelled;
      return false;
    }
    waiter_.sender = &task;
    return to_->wait_for_room(waiter_) == room_waiter::phase::waiting;
  }

  result<void> await_resume() {
    if (waited_) end_wait(tandem::detail::current_task());
    switch (waiter_.state) {
      case room_waiter::phase::admitted:
        return {};
      case room_waiter::phase::failed:
        return fail(std::move(waiter_.why));
      default:
        return fail(context_error(tandem::detail::current_task()));
    }
  }

 private:
  static void cancel(tandem::detail::task_record& task) noexcept {
    auto& self = *static_cast<tell_operation*>(task.operation);
    if (self.to_->cancel_wait(self.waiter_)) make_ready(task);
  }
  static void leave(tandem::detail::task_record& task) noexcept {
    auto& self = *static_cast<tell_operation*>(task.operation);
    (void)self.to_->cancel_wait(self.waiter_);
    end_wait(task);
  }

  target* to_;
  bool waited_ = false;
  room_waiter waiter_;
};

/// Sends one ask and waits for its answer. If the mailbox is full, the message waits for room while the task waits for
/// the answer: one wait, one limit.
template <class R>
class [[nodiscard]] ask_operation : public tandem::detail::awaitable_base, private tandem::detail::completion_wait {
 public:
  ask_operation(target* to, envelope_ptr message, tandem::detail::completion<R>* answer, time_point limit) noexcept
      : to_(to), limit_(limit), answer_(answer), waiter_(std::move(message)) {}

  bool await_ready() noexcept {
    if (to_) return false;
    waiter_.why = empty_ref();
    waiter_.state = room_waiter::phase::failed;
    return true;
  }

  template <std::derived_from<tandem::detail::promise_base> P>
  bool await_suspend(std::coroutine_handle<P> self) noexcept {
    tandem::detail::task_record& task = *self.promise().record;
    task.resume_point = self;
    if (context_over(task)) {
      waiter_.state = room_waiter::phase::cancelled;
      return false;
    }
    const auto delivery = to_->try_deliver(waiter_.message, waiter_.why);
    if (delivery == target::delivery::failed) {
      waiter_.state = room_waiter::phase::failed;
      return false;
    }
    if (delivery == target::delivery::full) {
      queued_ = to_->wait_for_room(waiter_) == room_waiter::phase::waiting;
      if (!queued_ && waiter_.state == room_waiter::phase::failed) return false;
    } else {
      waiter_.state = room_waiter::phase::admitted;
    }
    waited_ = true;
    static const tandem::detail::wait_kind kind{"an actor's answer", &completion_wait::cancel, nullptr, &leave};
    return completion_wait::start(task, answer_.get(), limit_, kind);
  }

  result<R> await_resume() {
    if (!waited_) {
      if (waiter_.state == room_waiter::phase::failed) return fail(std::move(waiter_.why));
      return fail(context_error(tandem::detail::current_task()));
    }
    using reason = completion_wait::ended;
    const reason ended = stop_waiting();
    if (ended == reason::completed) {
      result<R> outcome = answer_->take();
      // The actor saw the limit pass as the end of its context, and was faster than our timer.
      if (!outcome && outcome.error().code() == errc::deadline_exceeded && now() >= limit_) return fail(errc::timed_out);
      return outcome;
    }
    if (ended == reason::limit) return fail(errc::timed_out);
    return fail(context_error(tandem::detail::current_task()));
  }

 private:
  completion_wait::ended stop_waiting() noexcept {
    const auto why = completion_wait::finish();
    if (queued_) (void)to_->cancel_wait(waiter_);
    return why;
  }
  static void leave(tandem::detail::task_record& task) noexcept {
    (void)static_cast<ask_operation*>(static_cast<completion_wait*>(task.operation))->stop_waiting();
  }

  target* to_;
  time_point limit_;
  bool queued_ = false;
  bool waited_ = false;
  tandem::detail::completion_ptr<R> answer_;
  room_waiter waiter_;
};

}  // namespace tandem::actors::detail
