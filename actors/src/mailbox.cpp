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

// Somebody posted `message`, or (null) there is another reason to look.
void mailbox::decide(const envelope* message) noexcept {
  for (receive_slot** at = &slots_; receive_slot* const slot = *at;) {
    if (message && !slot->wanted(*message)) {
      at = &slot->next;
      continue;
    }
    *at = slot->next;
    slot->listed = false;
    slot->select->claim_and_wake(slot->arm);  // the slot's last moment is the unlock
  }
}

[[gnu::always_inline]] inline mailbox::posted mailbox::enter(envelope_ptr e) noexcept {
  const lane where = e->lane();
  if (slots_) [[unlikely]] decide(e.get());  // M6; the message is there when the lock is released
  if (asleep_) {  // M7
    asleep_ = false;
    taken[where].push(std::move(e));
    return posted::wake;
  }
  queue_[where].push(std::move(e));
  if (where != lane::normal) wanted_.store(true, std::memory_order_release);
  new_.store(true, std::memory_order_release);  // pairs with has_new()
  return posted::queued;
}

[[gnu::always_inline]] inline mailbox::posted mailbox::place(envelope_ptr e, coarse_time at) noexcept {
  e->arrived = at;
  if (e->lane() != lane::control) add_held(1);
  if (!at_gate_) [[likely]] return enter(std::move(e));
  const lane where = e->lane();
  (*at_gate_)[where].push(std::move(e));
  return posted::queued;
}

mailbox::posted mailbox::push(envelope_ptr& e, admission how, coarse_time at) noexcept {
  const std::lock_guard hold(lock_);
  if (closed_.load(std::memory_order_relaxed)) [[unlikely]] return posted::closed;
  if (how != admission::in_any_case && (depth() >= capacity_ || !waiters_.empty())) [[unlikely]]  // M3
    return no_room(e, how, at);
  return place(std::move(e), at);
}

mailbox::posted mailbox::no_room(envelope_ptr& e, admission how, coarse_time at) noexcept {
  if (when_full_ == overflow::wait) {
    if (how == admission::by_policy) return posted::full;
    if (depth() < std::uint64_t{capacity_} + spare_for_strangers) return place(std::move(e), at);
    count_overflow();
    return posted::full;
  }
  count_overflow();
  if (when_full_ == overflow::fail) return posted::full;
  if (when_full_ == overflow::drop_newest) return posted::dropped;
  envelope_ptr victim = take_oldest(e->lane());
  if (!victim) return posted::dropped;
  add_held(0 - std::size_t{1});
  const posted now = place(std::move(e), at);
  e = std::move(victim);
  return now == posted::wake ? posted::dropped_and_wake : posted::dropped;
}

// Of that lane, or else of the normal one; null if the consumer has them all, and is awake.
envelope_ptr mailbox::take_oldest(lane of) noexcept {
  for (const lane l : {of, lane::normal}) {
    // A consumer that sleeps on messages it does not want now has taken them (M7).
    if (asleep_ && !taken[l].empty()) return taken[l].pop();
    if (!newest()[l].empty()) return newest()[l].pop();
  }
  return nullptr;
}

mailbox::posted mailbox::wait(room_waiter& w, room_waiter::phase& now, coarse_time at) noexcept {
  const std::lock_guard hold(lock_);
  now = w.state;
  if (w.state == room_waiter::phase::cancelled) return posted::queued;
  if (closed_.load(std::memory_order_relaxed)) {
    now = w.state = room_waiter::phase::failed;  // here, because of V1
    return posted::closed;
  }
  if (depth() < capacity_ && waiters_.empty()) {
    now = w.state = room_waiter::phase::admitted;
    return place(std::move(w.message), at);
  }
  w.message->arrived = at;
  (void)waiters_.push(w);
  now = room_waiter::phase::waiting;
  return posted::queued;
}

bool mailbox::cancel(room_waiter& w) noexcept {
  const std::lock_guard hold(lock_);
  return waiters_.cancel(w);
}

mailbox::posted mailbox::request(stop what, error& why) noexcept {
  const std::lock_guard hold(lock_);
  if (closed_.load(std::memory_order_relaxed)) return posted::closed;
  if (stop_ >= what) return posted::full;
  if (stop_ == stop::none || !stop_reason_) std::swap(stop_reason_, why);
  stop_ = what;
  wanted_.store(true, std::memory_order_release);
  new_.store(true, std::memory_order_release);
  decide(nullptr);
  if (what == stop::end && std::exchange(paused_, false)) return posted::wake;  // M5
  return queued_answer();
}

bool mailbox::is_asleep() noexcept {
  const std::lock_guard hold(lock_);
  return asleep_;
}

bool mailbox::is_paused() noexcept {
  const std::lock_guard hold(lock_);
  return paused_;
}

bool mailbox::oldest(coarse_time& arrived) noexcept {
  const std::lock_guard hold(lock_);
  bool found = false;
  for (const mail* const m : {&queue_, &newest()}) {
    for (const envelope_list& l : m->of) {
      if (l.empty() || (found && between(arrived, l.front().arrived).count() > 0)) continue;
      arrived = l.front().arrived;
      found = true;
    }
  }
  return found;
}

held_at mailbox::find_held(const envelope* which) noexcept {
  const std::lock_guard hold(lock_);
  if (at_gate_->has(which)) return held_at::gate;
  for (const room_waiter* w = waiters_.front(); w; w = w->next)
    if (w->message.get() == which) return held_at::room;
  return held_at::nowhere;
}

mailbox::posted mailbox::let_in(const envelope* which) noexcept {
  const std::lock_guard hold(lock_);
  envelope_ptr found = at_gate_->pop(which);
  return found ? enter(std::move(found)) : posted::closed;
}

envelope_ptr mailbox::take_from_gate(const envelope* which) noexcept {
  wake_list woken;
  envelope_ptr found;
  {
    const std::lock_guard hold(lock_);
    found = at_gate_->pop(which);
    if (!found) return nullptr;
    if (found->lane() != lane::control) add_held(0 - std::size_t{1});
    admit(woken);
  }
  woken.wake_all();
  return found;
}

mailbox::posted mailbox::nudge(bool paused_too) noexcept {
  if (is_closed()) return posted::closed;
  const std::lock_guard hold(lock_);
  if (closed_.load(std::memory_order_relaxed)) return posted::closed;
  return paused_too && std::exchange(paused_, false) ? posted::wake : queued_answer();
}

mailbox::posted mailbox::poke() noexcept {
  if (is_closed()) return posted::closed;
  const std::lock_guard hold(lock_);
  if (closed_.load(std::memory_order_relaxed)) return posted::closed;
  if (asleep_ || paused_) {
    asleep_ = paused_ = false;
    return posted::wake;
  }
  poked_ = true;
  new_.store(true, std::memory_order_release);
  decide(nullptr);
  return posted::queued;
}

bool mailbox::add(receive_slot& slot) noexcept {
  const std::lock_guard hold(lock_);
  if (new_.load(std::memory_order_relaxed) || stop_ != stop::none) return false;  // written under the lock
  slot.next = std::exchange(slots_, &slot);
  slot.listed = true;
  return true;
}

void mailbox::remove(receive_slot& slot) noexcept {
  const std::lock_guard hold(lock_);
  if (!slot.listed) return;
  receive_slot** at = &slots_;
  while (*at != &slot) at = &(*at)->next;
  *at = slot.next;
  slot.listed = false;
}

void mailbox::admit(wake_list& woken) noexcept {
  while (depth() < capacity_) {
    room_waiter* const w = waiters_.pop(room_waiter::phase::admitted);
    if (!w) return;
    const coarse_time at = w->message->arrived;
    (void)place(std::move(w->message), at);  // by the consumer, who is awake
    woken.add(*w);
  }
}

void mailbox::move_taken() noexcept {
  new_.store(false, std::memory_order_relaxed);  // the consumer's own look
  if (stop_ == stop::none) wanted_.store(false, std::memory_order_relaxed);
  if (when_full_ != overflow::drop_oldest) [[likely]] {
    taken.append(std::move(queue_));
    return;
  }
  // What the consumer has taken cannot be dropped: so it takes one at a time.
  taken[lane::control].append(std::move(queue_[lane::control]));
  const lane next = queue_[lane::urgent].empty() ? lane::normal : lane::urgent;
  if (!queue_[next].empty()) taken[next].push(queue_[next].pop());
  if (!queue_[lane::urgent].empty() || !queue_[lane::normal].empty()) new_.store(true, std::memory_order_relaxed);
}

void mailbox::take(std::size_t handled) noexcept {
  wake_list woken;
  {
    const std::lock_guard hold(lock_);
    settle(handled, woken);
    poked_ = false;
    move_taken();
  }
  woken.wake_all();
}

void mailbox::report(std::size_t handled) noexcept {
  wake_list woken;
  {
    const std::lock_guard hold(lock_);
    settle(handled, woken);
  }
  woken.wake_all();
}

void mailbox::readmit(std::size_t count) noexcept {
  const std::lock_guard hold(lock_);
  add_held(count);
}

stop mailbox::look() noexcept {
  const std::lock_guard hold(lock_);
  taken[lane::control].append(std::move(queue_[lane::control]));
  if (when_full_ != overflow::drop_oldest) taken[lane::urgent].append(std::move(queue_[lane::urgent]));
  if (stop_ == stop::none) wanted_.store(false, std::memory_order_relaxed);
  return stop_;
}

error mailbox::stop_reason() noexcept {
  const std::lock_guard hold(lock_);
  return stop_reason_;
}

bool mailbox::pause() noexcept {
  const std::lock_guard hold(lock_);
  if (stop_ == stop::end) return false;
  paused_ = true;
  return true;
}

bool mailbox::resume(error& old) noexcept {
  const std::lock_guard hold(lock_);
  if (!std::exchange(paused_, false)) return false;
  stop_ = stop::none;
  std::swap(old, stop_reason_);
  poked_ = false;
  wanted_.store(!queue_[lane::control].empty() || !queue_[lane::urgent].empty(), std::memory_order_relaxed);
  return true;
}

envelope_list mailbox::flush() noexcept {
  wake_list woken;
  envelope_list left;
  {
    const std::lock_guard hold(lock_);
    for (const lane l : {lane::urgent, lane::normal}) {
      for (mail* const m : {&taken, &queue_, &newest()}) {
        while (!(*m)[l].empty()) {
          left.push((*m)[l].pop());
          add_held(0 - std::size_t{1});
        }
      }
    }
    admit(woken);
  }
  woken.wake_all();
  return left;
}

envelope_list mailbox::flush_control() noexcept {
  const std::lock_guard hold(lock_);
  envelope_list left;
  for (mail* const m : {&taken, &queue_, &newest()}) left.append(std::move((*m)[lane::control]));
  return left;
}

envelope_list mailbox::close(wake_list& waiting) noexcept {
  envelope_list left;
  const std::lock_guard hold(lock_);
  closed_.store(true, std::memory_order_release);
  left = taken.take_all();
  left.append(queue_.take_all());
  if (at_gate_) left.append(at_gate_->take_all());
  while (room_waiter* const w = waiters_.pop(room_waiter::phase::failed)) {
    if (w->sender) {
      waiting.add(*w);
    } else {  // an asker waits for the answer, not for room: it is told through its message
      w->state = room_waiter::phase::admitted;
      left.push(std::move(w->message));
    }
  }
  return left;
}

}  // namespace tandem::actors::detail
