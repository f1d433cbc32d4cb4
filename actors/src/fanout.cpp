#include <tandem/actors/detail/fanout.hpp>

#include <exception>
#include <mutex>
#include <vector>

namespace tandem::actors::detail {

fanout::fanout(const protocol_info& takes, std::string name, std::size_t behind, when_alone alone)
    : router_target(takes, std::move(name)), behind_(behind == 0 ? 1 : behind), alone_(alone) {}

target::delivery fanout::try_deliver(envelope_ptr& message, error& why) noexcept {
  {
    const std::lock_guard hold(lock_);
    if (!has_room()) return delivery::full;
  }
  return spread(message, why);
}

room_waiter::phase fanout::wait_for_room(room_waiter& w) noexcept {
  using phase = room_waiter::phase;
  {
    const std::lock_guard hold(lock_);
    if (!has_room()) return waiters_.push(w) ? phase::waiting : phase::cancelled;
    if (w.state == phase::cancelled) return phase::cancelled;
  }
  error why;
  const bool sent = spread(w.message, why) == delivery::delivered;
  const std::lock_guard hold(lock_);  // a cancel that came meanwhile came too late
  if (!sent) w.why = std::move(why);
  return w.state = sent ? phase::admitted : phase::failed;
}

bool fanout::cancel_wait(room_waiter& w) noexcept {
  const std::lock_guard hold(lock_);
  return waiters_.cancel(w);
}

void fanout::prepare(routee& added) const {
  if (!added.subscriber) added.subscriber = std::make_shared<subscriber_state>();
}

// What waits there is still delivered, but nobody waits for that any more.
void fanout::parted_with(subscriber_state& gone) noexcept {
  gone.over.store(true, std::memory_order_relaxed);
  {
    const std::lock_guard hold(lock_);
    gone.parted = true;
    parked_ -= std::exchange(gone.parked, 0);
  }
  catch_up();
}

void fanout::unparked(subscriber_state& of) noexcept {
  {
    const std::lock_guard hold(lock_);
    if (of.parted) return;
    --of.parked;
    --parked_;
  }
  catch_up();
}

void fanout::catch_up() noexcept {
  {
    const std::lock_guard hold(lock_);
    if (std::exchange(catching_up_, true)) return;  // whoever does that sees what has changed
  }
  for (;;) {
    room_waiter* w = nullptr;
    envelope_ptr message;
    tandem::detail::task_record* sender = nullptr;
    {
      const std::lock_guard hold(lock_);
      if (parked_ < behind_) w = waiters_.pop(room_waiter::phase::admitted);
      catching_up_ = w != nullptr;
      if (!w) return;
      sender = w->sender;
      message = std::move(w->message);  // if it has no sender, the waiter is inside of it (F1)
    }
    error why;
    const auto before = routees();  // one that has ended can still report
    if (spread(message, why) != delivery::delivered) {
      if (!sender) {
        undeliverable(before->empty() ? *this : *before->front().to, *message, why);
        continue;
      }
      const std::lock_guard hold(lock_);
      w->message = std::move(message);
      w->why = std::move(why);
      w->state = room_waiter::phase::failed;
    }
    if (sender) make_ready(*sender);  // the waiter's last moment
  }
}

// Each routee its copy, and the last the message itself. Refused if all have ended: then the message is still here.
target::delivery fanout::spread(envelope_ptr& message, error& why) noexcept {
  const auto now = routees();
  std::vector<envelope_ptr> copies;
  try {
    copies.reserve(now->size());
    for (std::size_t i = 1; i < now->size(); ++i) {
      copies.push_back(copy(*message));
      if (!copies.back()) {
        why = make_error(errc::invalid_argument, message->type_name() + " is not in the protocol of " + target_name());
        return delivery::failed;
      }
    }
  } catch (...) {
    why = with_message(from_exception(std::current_exception()), "a copy could not be made of " + message->type_name());
    return delivery::failed;
  }
  bool somebody = false;
  envelope_ptr left;
  error last, refusal;
  for (const routee& to : *now) {
    envelope_ptr one;
    if (copies.empty()) {
      one = std::move(message);
    } else {
      one = std::move(copies.back());
      copies.pop_back();
    }
    if (hand(to, one, last) == delivery::delivered) {
      somebody = true;
    } else {
      left = std::move(one);
      if (last.code() != errc::unavailable) refusal = last;
    }
  }
  if (!somebody && (refusal || alone_ == when_alone::refuse)) {
    if (left) message = std::move(left);
    why = refusal ? std::move(refusal) : no_routees(last);
    return delivery::failed;
  }
  message.reset();
  counters_.accepted.fetch_add(1, std::memory_order_relaxed);
  return delivery::delivered;
}

// `failed`: the routee has ended, or cannot take the message, which is still here.
target::delivery fanout::hand(const routee& to, envelope_ptr& message, error& why) noexcept {
  if (to.subscriber->over.load(std::memory_order_relaxed)) return delivery::delivered;
  delivery outcome = to.to->try_deliver(message, why);
  if (outcome == delivery::full) {
    switch (to.when_full) {
      case subscriber_full::wait: outcome = park(to, message, why); break;
      case subscriber_full::unsubscribe: take_out(*to.to); [[fallthrough]];
      case subscriber_full::drop_newest: missed(to); return delivery::delivered;
    }
  }
  if (outcome == delivery::delivered) {
    counters_.delivered.fetch_add(1, std::memory_order_relaxed);
  } else if (why.code() == errc::unavailable) {
    take_out(*to.to);
  } else {
    missed(to);
  }
  return outcome;
}

target::delivery fanout::park(const routee& to, envelope_ptr& message, error& why) noexcept {
  parked_copy made{nullptr, nullptr};
  {
    const std::lock_guard hold(lock_);
    if (!to.subscriber->parted) {  // before ~parked() can take it back
      ++parked_;
      ++to.subscriber->parked;
    }
  }
  made = make_parked(*message, to.subscriber);
  message.reset();
  room_waiter& w = *made.waiter;
  w.message = std::move(made.message);
  if (to.to->wait_for_room(w) != room_waiter::phase::failed) return delivery::delivered;  // the waiter may be gone
  why = std::move(w.why);
  message = std::move(w.message);
  return delivery::failed;
}

void fanout::missed(const routee& by) noexcept {
  counters_.dropped.fetch_add(1, std::memory_order_relaxed);
  by.subscriber->missed.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace tandem::actors::detail
