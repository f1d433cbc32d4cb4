// The awaitables behind tell(), ask() and forward().
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
/// What an asker gets whose limit passed. `from` may be null: several were asked.
[[nodiscard]] error no_answer_in_time(const target* from);

/// What a task waits for that asked `to`; `queued`: its message waits for room.
[[nodiscard]] const tandem::detail::wait_kind& answer_of(const target& to, bool queued) noexcept;

/// Delivers one message, waiting for room.
///
/// (O1) cancel() may run on another thread from begin_wait() to end_wait(); what it shares with this task is in the
///      waiter, under the target's lock (V1).
/// The way of a message for which there is room is inlined, which the compiler would not do by itself in a coroutine.
class [[nodiscard]] tell_operation : public tandem::detail::awaitable_base {
 public:
  /// Borrows the target: the ref outlives the operation.
  [[gnu::always_inline]] tell_operation(target* to, envelope_ptr message) noexcept
      : to_(to), waiter_(std::move(message)) {}

  [[gnu::always_inline]] bool await_ready() noexcept {
    if (!to_) {
      waiter_.why = empty_ref();
      waiter_.state = room_waiter::phase::failed;
      return true;
    }
    const bool in_slice = tandem::detail::spend_slice();
    // A tell that never waits must notice a cancel too: it does so once per slice, as a channel's send does.
    if (!in_slice && context_over(tandem::detail::current_task())) [[unlikely]] {
      waiter_.state = room_waiter::phase::cancelled;
      return false;  // await_suspend() lets others run, even if the caller's loop ignores the outcome
    }
    switch (to_->try_deliver(waiter_.message, waiter_.why)) {
      case target::delivery::delivered:
        waiter_.state = room_waiter::phase::admitted;
        return in_slice;
      case target::delivery::failed:
        waiter_.state = room_waiter::phase::failed;
        return true;
      default:
        return false;
    }
  }

  template <std::derived_from<tandem::detail::promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> self) noexcept {
    tandem::detail::task_record& task = suspend_here(self, *this);
    if (waiter_.state != room_waiter::phase::fresh) {  // it is decided; only the slice is used up
      yield_to_others(task);
      return true;
    }
    waited_ = true;
    static constexpr tandem::detail::wait_kind room{"room in a mailbox", &cancel, nullptr, &leave};
    static constexpr tandem::detail::wait_kind credit{"credit to send to another node", &cancel, nullptr, &leave};
    if (!begin_wait(task, to_->is_remote() ? credit : room, this)) {
      waiter_.state = room_waiter::phase::cancelled;
      return false;
    }
    waiter_.sender = &task;
    return to_->wait_for_room(waiter_) == room_waiter::phase::waiting;
  }

  [[gnu::always_inline]] result<void> await_resume() {
    if (!waited_ && waiter_.state == room_waiter::phase::admitted) [[likely]] return {};
    return outcome();
  }

 private:
  [[gnu::noinline]] result<void> outcome() {
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
  static void cancel(tandem::detail::task_record& task) noexcept {
    auto& self = *static_cast<tell_operation*>(task.what);
    if (self.to_->cancel_wait(self.waiter_)) make_ready(task);
  }
  static void leave(tandem::detail::task_record& task) noexcept {
    auto& self = *static_cast<tell_operation*>(task.what);
    (void)self.to_->cancel_wait(self.waiter_);
    end_wait(task);
  }

  target* to_;
  bool waited_ = false;

 protected:
  room_waiter waiter_;
};

/// Delivers an ask whose asker waits elsewhere, and is told if that fails.
class [[nodiscard]] forward_operation : public tell_operation {
 public:
  using tell_operation::tell_operation;

  result<void> await_resume() {
    auto sent = tell_operation::await_resume();
    if (!sent && waiter_.message) waiter_.message->fail(sent.error());
    return sent;
  }
};

/// Delivers an ask, or leaves it to wait for room while its sender waits for the answer; `queued` tells which.
/// False: it cannot be delivered, and `w.why` says why.
[[nodiscard]] inline bool send_or_queue(target& to, room_waiter& w, bool& queued) noexcept {
  switch (to.try_deliver(w.message, w.why)) {
    case target::delivery::delivered: w.state = room_waiter::phase::admitted; return true;
    case target::delivery::failed: w.state = room_waiter::phase::failed; return false;
    case target::delivery::full: break;
  }
  const room_waiter::phase reached = to.wait_for_room(w);
  queued = reached == room_waiter::phase::waiting;
  return reached != room_waiter::phase::failed;
}

/// The outcome of an ask. The actor sees the limit pass as the end of its context, and may be faster than our timer.
template <class R>
[[nodiscard]] result<R> within(time_point limit, const target* from, result<R>&& outcome) {
  if (!outcome && outcome.error().code() == errc::deadline_exceeded && now() >= limit)
    return fail(no_answer_in_time(from));
  return std::move(outcome);
}

template <class R>
class reply_arm;

/// The wait of an ask: for room, if the mailbox is full, and for the answer.
class ask_wait : protected tandem::detail::completion_wait {
 public:
  ask_wait(target* to, envelope_ptr message) noexcept : to_(to), waiter_(std::move(message)) {}

  static void leave(tandem::detail::task_record& task) noexcept {
    (void)static_cast<ask_wait*>(static_cast<completion_wait*>(task.what))->stop_waiting();
  }

 protected:
  ended stop_waiting() noexcept {
    const ended why = finish();
    if (queued_) (void)to_->cancel_wait(waiter_);
    return why;
  }

  target* to_;
  bool queued_ = false;
  room_waiter waiter_;
};

/// Sends one ask and waits for its answer. If the mailbox is full, the message waits for room while the task waits for
/// the answer: one wait, one limit.
template <class R>
class [[nodiscard]] ask_operation : public tandem::detail::awaitable_base, private ask_wait {
 public:
  ask_operation(target* to, envelope_ptr message, tandem::detail::completion<R>* answer, time_point limit) noexcept
      : ask_wait(to, std::move(message)), limit_(limit), answer_(answer) {}

  bool await_ready() noexcept {
    if (to_) return false;
    waiter_.why = empty_ref();
    waiter_.state = room_waiter::phase::failed;
    return true;
  }

  template <std::derived_from<tandem::detail::promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> self) noexcept {
    tandem::detail::task_record& task = suspend_here(self, *this);
    if (context_over(task)) {
      waiter_.state = room_waiter::phase::cancelled;
      return false;
    }
    if (!send_or_queue(*to_, waiter_, queued_)) return false;
    waited_ = true;
    return start(task, answer_.get(), limit_, answer_of(*to_, queued_));
  }

  result<R> await_resume() {
    if (!waited_) {
      if (waiter_.state == room_waiter::phase::failed) return fail(std::move(waiter_.why));
      return fail(context_error(tandem::detail::current_task()));
    }
    using reason = completion_wait::ended;
    const reason why = stop_waiting();
    if (why == reason::completed) return within(limit_, to_, answer_.take());
    if (why == reason::limit) return fail(no_answer_in_time(to_));
    return fail(context_error(tandem::detail::current_task()));
  }

 private:
  friend reply_arm<R>;  // takes the ask over

  time_point limit_;
  bool waited_ = false;
  tandem::detail::completion_ptr<R> answer_;
};

}  // namespace tandem::actors::detail
