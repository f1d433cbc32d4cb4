// The awaiters behind `co_await tx.send(v)` and `co_await rx.recv()`.
#pragma once
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <tandem/csp/detail/channel.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::csp::detail {

/// One plain operation. The work is done in await_ready(), under the channel's lock. An operation that has to wait
/// keeps the lock until await_suspend() has linked the node, so waiting costs one lock as well.
///
/// The exception is a context that enlists its waits: it takes its own lock before it takes the channel's to cancel,
/// so begin_wait() must not be called under the channel's lock. Then the order is: try, unlock, begin_wait(), lock, look
/// whether the context is over, try again, link. The canceller marks the context first and walks the waits then: it
/// finds the node linked, or we find the context over.
///
/// Derived has `progress attempt(wait_node*& to_wake)`, `is_send`, and a base that is an `operands`.
/// How far the operation is, is kept in the task's record, and there is no initialised storage for the value. So it
/// stays small, because g++ 12 gives each co_await of a function its own slot in the frame.
template <class Derived>
class operation : public tandem::detail::awaitable_base {
 public:
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;

  bool await_ready() noexcept {
    task_record& task = current_task();
    task.waited = false;
    const bool in_slice = tandem::detail::spend_slice();
    // An operation that never waits must notice a cancel too: it does so once per slice.
    if (!in_slice && context_over(task)) [[unlikely]] {
      set(task, progress::over);
      return false;  // await_suspend() lets others run, even if the caller's loop ignores the outcome
    }
    channel_base& channel = target();
    wait_node* to_wake = nullptr;
    channel.lock();
    const progress now = self().attempt(to_wake);
    set(task, now);
    if (now != progress::blocked) [[likely]] {
      channel.unlock();
      if (to_wake) wake(*to_wake);
      return in_slice;  // else it took effect, and await_suspend() lets others run
    }
    task.holds_lock = !task.enlists();
    if (!task.holds_lock) channel.unlock();
    return false;
  }

  template <std::derived_from<tandem::detail::promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> coroutine) noexcept {
    task_record& task = tandem::detail::suspend_here(coroutine, *this);
    if (outcome(task) == progress::blocked) return wait(task);
    task.what = static_cast<operands*>(&self());  // should the task be destroyed before it gets to see the outcome
    tandem::detail::yield_to_others(task);
    return true;
  }

 protected:
  operation() = default;

  /// What await_resume() starts with: ends the wait, if there was one, and tells the outcome.
  progress finish() noexcept {
    task_record& task = current_task();
    if (task.waited) tandem::detail::end_wait(task);
    return outcome(task);
  }

  /// For an operation whose task is destroyed before await_resume(): did it take effect?
  [[nodiscard]] bool took_effect() noexcept {
    const tandem::detail::worker_base* const worker = tandem::detail::tls_worker;
    return worker && worker->destroys_tasks && current_task().what == static_cast<operands*>(&self()) &&
           outcome(current_task()) == progress::done;
  }

 private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }
  channel_base& target() noexcept { return channel_base::at(self().where); }
  static void set(task_record& task, progress p) noexcept { task.outcome = static_cast<std::uint8_t>(p); }
  static progress outcome(const task_record& task) noexcept { return static_cast<progress>(task.outcome); }

  // True if the task must stay suspended; then it may run elsewhere already, and *this may be gone.
  bool wait(task_record& task) noexcept {
    channel_base& channel = target();
    task.waited = true;
    operands* const about = &self();
    if (!tandem::detail::begin_wait(task, Derived::is_send ? channel_base::as_sender : channel_base::as_receiver,
                                    about)) {
      if (task.holds_lock) channel.unlock();
      set(task, progress::over);
      return false;
    }
    if (!task.holds_lock) {
      wait_node* to_wake = nullptr;
      channel.lock();
      progress now = self().attempt(to_wake);
      if (now == progress::blocked && context_over(task)) now = progress::over;
      if (now != progress::blocked) {
        set(task, now);
        channel.unlock();
        if (to_wake) wake(*to_wake);
        return false;
      }
    }
    if constexpr (Derived::is_send)
      channel.wait_as_sender(task);
    else
      channel.wait_as_receiver(task);
    channel.unlock();
    return true;
  }
};

[[nodiscard]] inline error error_for(progress p) {
  return p == progress::closed ? error_of(errc::closed) : context_error(current_task());
}

/// Sends from an object of the caller's, which is moved from only if the value was placed.
template <class T>
class [[nodiscard]] send_operation : public operation<send_operation<T>>, public send_operands<T> {
 public:
  send_operation(channel<T>* to, T& v) noexcept : send_operands<T>(to, v) {}

  result<void> await_resume() {
    const progress ended = this->finish();
    if (ended != progress::done) return fail(error_for(ended));
    return {};
  }

 private:
  friend operation<send_operation>;
  static constexpr bool is_send = true;
  progress attempt(wait_node*& to_wake) noexcept {
    return this->where ? static_cast<channel<T>*>(this->where)->send(*this->value, to_wake) : progress::blocked;
  }
};

/// Sends a copy.
template <class T>
class [[nodiscard]] send_copy_operation : private held_copy<T>, public send_operation<T> {
 public:
  send_copy_operation(channel<T>* to, const T& v) : held_copy<T>(v), send_operation<T>(to, this->copy) {}
};

template <class T>
class [[nodiscard]] recv_operation : public operation<recv_operation<T>>, public recv_operands<T> {
 public:
  explicit recv_operation(channel<T>* from) noexcept : recv_operands<T>(from) {}
  ~recv_operation() requires(std::is_trivially_destructible_v<T>) = default;
  ~recv_operation() {
    if (this->where && this->took_effect()) [[unlikely]]
      std::destroy_at(std::addressof(this->received.value));
  }

  result<T> await_resume() {
    const progress ended = this->finish();
    if (ended != progress::done) return fail(error_for(ended));
    this->where = nullptr;  // the value is not ours any more
    return this->received.take();
  }

 private:
  friend operation<recv_operation>;
  static constexpr bool is_send = false;
  progress attempt(wait_node*& to_wake) noexcept {
    void* const place = std::addressof(this->received.value);
    return this->where ? static_cast<channel<T>*>(this->where)->recv(place, to_wake) : progress::blocked;
  }
};

}  // namespace tandem::csp::detail
