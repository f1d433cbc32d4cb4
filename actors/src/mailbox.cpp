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

void mailbox::place(envelope_ptr e, coarse_time at) noexcept {
  const lane where = e->lane();
  e->arrived = at;
  if (slots_) [[unlikely]] decide(e.get());  // M6; the message is there when the lock is released
  queue_[where].push(std::move(e));
  if (where != lane::control) add_held(1);
  if (where != lane::normal) wanted_.store(true, std::memory_order_release);
  new_.store(true, std::memory_order_release);  // pairs with has_new()
}

// Somebody posted, or (null) there is another reason to look.
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

mailbox::posted mailbox::push(envelope_ptr& e, admission how, coarse_time at) noexcept {
  const std::lock_guard hold(lock_);
  if (closed_) return posted::closed;
  if (how != admission::in_any_case && (depth() >= capacity_ || !waiters_.empty())) [[unlikely]] {  // M3
    const bool waits = when_full_ == overflow::wait;
    if (!waits) {
      count_overflow();
      if (when_full_ == overflow::fail) return posted::full;
      envelope_list& mine = queue_[e->lane()];
      envelope_list& oldest = mine.empty() ? queue_[lane::normal] : mine;
      if (when_full_ == overflow::drop_newest || oldest.empty()) return posted::dropped;
      envelope_ptr victim = oldest.pop();
      add_held(0 - std::size_t{1});
      place(std::move(e), at);
      e = std::move(victim);
      return posted::dropped;
    }
    if (how == admission::by_policy) return posted::full;
    if (depth() >= capacity_ + spare_for_strangers) {
      count_overflow();
      return posted::full;
    }
  }
  place(std::move(e), at);
  return queued_answer();
}

mailbox::posted mailbox::wait(room_waiter& w, room_waiter::phase& now, coarse_time at) noexcept {
  const std::lock_guard hold(lock_);
  now = w.state;
  if (w.state == room_waiter::phase::cancelled) return posted::queued;
  if (closed_) {
    now = w.state = room_waiter::phase::failed;  // here, because of V1
    return posted::closed;
  }
  w.message->arrived = at;  // it is held up from now on
  if (depth() < capacity_ && waiters_.empty()) {
    place(std::move(w.message), at);
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

mailbox::posted mailbox::request(stop what, error why) noexcept {
  const std::lock_guard hold(lock_);
  if (closed_) return posted::closed;
  if (stop_ >= what) return posted::full;
  if (stop_ == stop::none || !stop_reason_) stop_reason_ = std::move(why);
  stop_ = what;
  wanted_.store(true, std::memory_order_release);
  new_.store(true, std::memory_order_release);
  decide(nullptr);
  if (what == stop::end && std::exchange(paused_, false)) return posted::revive;  // M5
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

bool mailbox::is_paused() noexcept {
  const std::lock_guard hold(lock_);
  return paused_;
}

bool mailbox::oldest(coarse_time& arrived) noexcept {
  const std::lock_guard hold(lock_);
  bool found = false;
  for (const envelope_list& l : queue_.of) {
    if (l.empty() || (found && between(arrived, l.front().arrived).count() > 0)) continue;
    arrived = l.front().arrived;
    found = true;
  }
  return found;
}

mailbox::posted mailbox::nudge() noexcept {
  const std::lock_guard hold(lock_);
  return closed_ ? posted::closed : queued_answer();
}

mailbox::posted mailbox::poke() noexcept {
  const std::lock_guard hold(lock_);
  if (closed_) return posted::closed;
  if (asleep_) return queued_answer();
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
    place(std::move(w->message), at);
    woken.add(*w);
  }
}

void mailbox::move_to(mail& into) noexcept {
  new_.store(false, std::memory_order_relaxed);  // the consumer's own look
  if (stop_ == stop::none) wanted_.store(false, std::memory_order_relaxed);
  if (when_full_ != overflow::drop_oldest) [[likely]] {
    into.append(std::move(queue_));
    return;
  }
  // What the consumer has taken cannot be dropped: so it takes one at a time.
  into[lane::control].append(std::move(queue_[lane::control]));
  const lane next = queue_[lane::urgent].empty() ? lane::normal : lane::urgent;
  if (!queue_[next].empty()) into[next].push(queue_[next].pop());
  if (!queue_[lane::urgent].empty() || !queue_[lane::normal].empty()) new_.store(true, std::memory_order_relaxed);
}

bool mailbox::refill(mail& into, std::size_t taken, bool or_new) noexcept {
  wake_list woken;
  bool more;
  {
    const std::lock_guard hold(lock_);
    add_held(0 - taken);
    admit(woken);
    more = !queue_.empty() || stop_ != stop::none || std::exchange(poked_, false) || (!or_new && !into.empty());
    move_to(into);
    asleep_ = !more;
  }
  woken.wake_all();
  return more;
}

void mailbox::take(mail& into, std::size_t taken) noexcept {
  wake_list woken;
  {
    const std::lock_guard hold(lock_);
    add_held(0 - taken);
    admit(woken);
    poked_ = false;
    move_to(into);
  }
  woken.wake_all();
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

void mailbox::readmit(std::size_t count) noexcept {
  const std::lock_guard hold(lock_);
  add_held(count);
}

stop mailbox::look(mail& into) noexcept {
  const std::lock_guard hold(lock_);
  into[lane::control].append(std::move(queue_[lane::control]));
  if (when_full_ != overflow::drop_oldest) into[lane::urgent].append(std::move(queue_[lane::urgent]));
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

bool mailbox::resume() noexcept {
  const std::lock_guard hold(lock_);
  if (!std::exchange(paused_, false)) return false;
  stop_ = stop::none;
  stop_reason_ = {};
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
      while (!queue_[l].empty()) {
        left.push(queue_[l].pop());
        add_held(0 - std::size_t{1});
      }
    }
    admit(woken);
  }
  woken.wake_all();
  return left;
}

envelope_list mailbox::close(wake_list& waiting) noexcept {
  envelope_list left;
  const std::lock_guard hold(lock_);
  closed_ = true;
  left = queue_.take_all();
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
