#include "mailbox.hpp"

#include <mutex>

namespace tandem::actors::detail {

bool room_queue::push(room_waiter& w) noexcept {
  if (w.state == room_waiter::phase::cancelled) return false;
  w.state = room_waiter::phase::waiting;
  w.previous = last_;
  w.next = nullptr;
  (last_ ? last_->next : first_) = &w;
  last_ = &w;
  return true;
}

void room_queue::unlink(room_waiter& w) noexcept {
  (w.previous ? w.previous->next : first_) = w.next;
  (w.next ? w.next->previous : last_) = w.previous;
}

room_waiter* room_queue::pop(room_waiter::phase to) noexcept {
  room_waiter* const w = first_;
  if (!w) return nullptr;
  unlink(*w);
  w->state = to;
  return w;
}

bool room_queue::cancel(room_waiter& w) noexcept {
  if (w.state == room_waiter::phase::waiting) {
    unlink(w);
    w.state = room_waiter::phase::cancelled;
    return w.sender != nullptr;
  }
  // Its sender still runs, on its way to push(): that will see it.
  if (w.state == room_waiter::phase::fresh) w.state = room_waiter::phase::cancelled;
  return false;
}

mailbox::posted mailbox::queued_answer() noexcept {
  return std::exchange(asleep_, false) ? posted::wake : posted::queued;  // M1
}

mailbox::posted mailbox::push(envelope_ptr& e, bool bounded) noexcept {
  const std::lock_guard hold(lock_);
  if (closed_) return posted::closed;
  if (bounded && (depth() >= capacity_ || !waiters_.empty())) return posted::full;  // M3
  queue_.push(std::move(e));
  add_held(1);
  return queued_answer();
}

mailbox::posted mailbox::wait(room_waiter& w, room_waiter::phase& now) noexcept {
  const std::lock_guard hold(lock_);
  now = w.state;
  if (w.state == room_waiter::phase::cancelled) return posted::queued;
  if (closed_) {
    now = w.state = room_waiter::phase::failed;  // here, because of V1
    return posted::closed;
  }
  if (depth() < capacity_ && waiters_.empty()) {
    queue_.push(std::move(w.message));
    add_held(1);
    now = w.state = room_waiter::phase::admitted;
    return queued_answer();
  }
  (void)waiters_.push(w);
  now = room_waiter::phase::waiting;
  return posted::queued;
}

bool mailbox::cancel(room_waiter& w) noexcept {
  const std::lock_guard hold(lock_);
  return waiters_.cancel(w);
}

mailbox::posted mailbox::request_exit(error why) noexcept {
  const std::lock_guard hold(lock_);
  if (closed_) return posted::closed;
  if (exit_requested_.load(std::memory_order_relaxed)) return posted::full;  // written under the lock, as here
  exit_reason_ = std::move(why);
  exit_requested_.store(true, std::memory_order_release);
  return queued_answer();
}

bool mailbox::is_closed() noexcept {
  const std::lock_guard hold(lock_);
  return closed_;
}

bool mailbox::is_asleep() noexcept {
  const std::lock_guard hold(lock_);
  return asleep_;
}

mailbox::posted mailbox::nudge() noexcept {
  const std::lock_guard hold(lock_);
  return closed_ ? posted::closed : queued_answer();
}

void mailbox::admit(wake_list& woken) noexcept {
  while (depth() < capacity_) {
    room_waiter* const w = waiters_.pop(room_waiter::phase::admitted);
    if (!w) return;
    queue_.push(std::move(w->message));
    add_held(1);
    woken.add(*w);
  }
}

bool mailbox::refill(envelope_list& batch, std::size_t taken) noexcept {
  wake_list woken;
  bool more;
  {
    const std::lock_guard hold(lock_);
    add_held(0 - taken);
    admit(woken);
    more = !queue_.empty() || exit_requested_.load(std::memory_order_relaxed);  // written under the lock
    batch = std::move(queue_);
    asleep_ = !more;
  }
  woken.wake_all();
  return more;
}

void mailbox::report(std::size_t taken) noexcept {
  wake_list woken;
  {
    const std::lock_guard hold(lock_);
    add_held(0 - taken);
    admit(woken);
  }
  woken.wake_all();
}

error mailbox::exit_reason() noexcept {
  const std::lock_guard hold(lock_);
  return exit_reason_;
}

envelope_list mailbox::close(const error& why) noexcept {
  wake_list woken;
  envelope_list left;
  {
    const std::lock_guard hold(lock_);
    closed_ = true;
    left = std::move(queue_);
    while (room_waiter* const w = waiters_.pop(room_waiter::phase::failed)) {
      if (w->sender) {
        w->why = why;
        woken.add(*w);
      } else {  // an asker waits for the answer, not for room: it is told through its message
        w->state = room_waiter::phase::admitted;
        left.push(std::move(w->message));
      }
    }
  }
  woken.wake_all();
  return left;
}

}  // namespace tandem::actors::detail
