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
/// Derived has `progress attempt(wait_node*& to_wake)`, `channel_base* base()`, `void* place()`, and `is_send`.
/// The wait node is the task's, and the awaiter has no initialised storage for the value: it stays small, because
/// g++ 12 gives each co_await of a function its own slot in the frame.
template <class Derived>
class operation : public tandem::detail::awaitable_base {
 public:
  operation(const operation&) = delete;
  operation& operator=(const operation&) = delete;

  bool await_ready() noexcept {
    task_record& task = current_task();
    const bool in_slice = tandem::detail::spend_slice();
    // An operation that never waits must notice a cancel too: it does so once per slice.
    if (!in_slice && context_over(task)) [[unlikely]] {
      state_ = progress::over;
      return false;  // await_suspend() lets others run, even if the caller's loop ignores the outcome
    }
    channel_base& channel = target();
    wait_node* to_wake = nullptr;
    channel.lock();
    state_ = self().attempt(to_wake);
    if (state_ != progress::blocked) [[likely]] {
      channel.unlock();
      if (to_wake) wake(*to_wake);
      return in_slice;  // else it took effect, and await_suspend() lets others run
    }
    holds_lock_ = !context_enlists(task);
    if (!holds_lock_) channel.unlock();
    return false;
  }

  template <std::derived_from<tandem::detail::promise_base> P>
  bool await_suspend(std::coroutine_handle<P> coroutine) noexcept {
    task_record& task = *coroutine.promise().record;
    task.resume_point = coroutine;
    if (state_ == progress::blocked) return wait(task);
    tandem::detail::yield_to_others(task);
    return true;
  }

 protected:
  operation() = default;

  /// What await_resume() starts with: ends the wait, if there was one, and tells the outcome.
  progress finish() noexcept {
    if (waited_) {
      task_record& task = current_task();
      tandem::detail::end_wait(task);
      if (state_ == progress::blocked) state_ = static_cast<progress>(task.node.outcome);
      waited_ = false;
    }
    return state_;
  }

  /// For an operation that goes without await_resume(): did it take effect? Its task runs, or is being destroyed.
  [[nodiscard]] bool took_effect() const noexcept {
    return waited_ ? static_cast<progress>(current_task().node.outcome) == progress::done : state_ == progress::done;
  }
  void forget_effect() noexcept { state_ = progress::blocked; }

 private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }
  channel_base& target() noexcept {
    channel_base* const channel = self().base();
    return channel ? *channel : channel_base::never_ready();
  }

  // True if the task must stay suspended; then it may run elsewhere already, and *this may be gone.
  bool wait(task_record& task) noexcept {
    channel_base& channel = target();
    waited_ = true;
    if (!tandem::detail::begin_wait(task, Derived::is_send ? channel_base::as_sender : channel_base::as_receiver,
                                    &channel)) {
      if (holds_lock_) channel.unlock();
      state_ = progress::over;
      return false;
    }
    if (!holds_lock_) {
      wait_node* to_wake = nullptr;
      channel.lock();
      state_ = self().attempt(to_wake);
      if (state_ == progress::blocked && context_over(task)) state_ = progress::over;
      if (state_ != progress::blocked) {
        channel.unlock();
        if (to_wake) wake(*to_wake);
        return false;
      }
    }
    wait_node& node = task.node;
    node.task = &task;
    node.select = nullptr;
    node.value = self().place();
    if constexpr (Derived::is_send)
      channel.wait_as_sender(node);
    else
      channel.wait_as_receiver(node);
    channel.unlock();
    return true;
  }

  progress state_ = progress::blocked;
  bool holds_lock_ = false;  // from await_ready() to await_suspend()
  bool waited_ = false;
};

[[nodiscard]] inline error error_for(progress p) {
  return p == progress::closed ? error_of(errc::closed) : context_error(current_task());
}

/// Sends from an object of the caller's, which is moved from only if the value was placed.
template <class T>
class [[nodiscard]] send_operation : public operation<send_operation<T>> {
 public:
  send_operation(channel<T>* where, T& value) noexcept : channel_(where), value_(std::addressof(value)) {}

  result<void> await_resume() {
    const progress ended = this->finish();
    if (ended != progress::done) return fail(error_for(ended));
    return {};
  }

 private:
  friend operation<send_operation>;
  static constexpr bool is_send = true;
  channel_base* base() const noexcept { return channel_; }
  void* place() const noexcept { return value_; }
  progress attempt(wait_node*& to_wake) noexcept {
    return channel_ ? channel_->send(*value_, to_wake) : progress::blocked;
  }

  channel<T>* channel_;
  T* value_;
};

/// Sends a copy.
template <class T>
class [[nodiscard]] send_copy_operation : public operation<send_copy_operation<T>> {
 public:
  send_copy_operation(channel<T>* where, const T& value) : channel_(where), value_(value) {}

  result<void> await_resume() {
    const progress ended = this->finish();
    if (ended != progress::done) return fail(error_for(ended));
    return {};
  }

 private:
  friend operation<send_copy_operation>;
  static constexpr bool is_send = true;
  channel_base* base() const noexcept { return channel_; }
  void* place() noexcept { return std::addressof(value_); }
  progress attempt(wait_node*& to_wake) noexcept {
    return channel_ ? channel_->send(value_, to_wake) : progress::blocked;
  }

  channel<T>* channel_;
  T value_;
};

template <class T>
class [[nodiscard]] recv_operation : public operation<recv_operation<T>> {
 public:
  explicit recv_operation(channel<T>* where) noexcept : channel_(where) {}
  ~recv_operation() requires(std::is_trivially_destructible_v<T>) = default;
  ~recv_operation() {
    if (this->took_effect()) [[unlikely]]  // the task is destroyed before it could take the value
      std::destroy_at(std::addressof(received_.value));
  }

  result<T> await_resume() {
    const progress ended = this->finish();
    if (ended != progress::done) return fail(error_for(ended));
    this->forget_effect();
    return received_.take();
  }

 private:
  friend operation<recv_operation>;
  static constexpr bool is_send = false;
  channel_base* base() const noexcept { return channel_; }
  void* place() noexcept { return std::addressof(received_.value); }
  progress attempt(wait_node*& to_wake) noexcept {
    return channel_ ? channel_->recv(place(), to_wake) : progress::blocked;
  }

  channel<T>* channel_;
  received_value<T> received_;
};

}  // namespace tandem::csp::detail
