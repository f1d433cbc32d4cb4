// cell: how a life begins, who may end it, and how it ends.
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "cell.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {

void cell::start(std::unique_ptr<actor_body> body) noexcept {
  body_ = std::move(body);
  handled();  // the constructor may have arranged things
  constructing_ = false;
  home_.table.publish(*this);
  end_with_the_system();
  begin_life();
}

// If that is about to end: whoever told all actors to may have been too early for this one (Y2).
void cell::end_with_the_system() noexcept {
  if (!home_.stopping.load()) return;
  error why = home_.stop_reason;
  (void)mailbox_.request(stop::end, why);
}

void cell::begin_life() noexcept {
  if (kind_.is_function || mailbox_.refill(0, [] { return false; }) == mailbox::rest::mail) schedule();
}

// Others may have got a ref from the constructor that failed, and sent to it.
void cell::abandon() noexcept {
  if (extras_or_null()) leave_parent();
  // No child comes any more. The last one that ends must not start a turn, as it would if there were none for good.
  if (extras_unless_late(too_late_for_children_)) {
    too_late_for_children_.store(true, std::memory_order_relaxed);  // seen under the lock, which end_children() takes
    end_children(make_error(errc::cancelled, "the constructor of the actor it belongs to threw"));
  }
  reason_ = make_error(errc::unavailable, "it was never started: its constructor threw");
  ended_ = true;
  wake_list waiting;
  envelope_list queued = mailbox_.close(waiting);
  waiting.fail_all(ended_error());
  if (named_.load(std::memory_order_relaxed)) home_.forget_names(*this);  // as in finish()
  if (contexts_) contexts_->own.cancel(reason_);
  end_arrangements();
  queued.append(mailbox_.taken.take_all());  // from the stash
  drop(std::move(queued), ended_error());
  if (extras* const e = extras_unless_late(too_late_to_watch_)) {
    e->watchers.tell_all({id_, target_name(), reason_});
    forget_watched();
  }
}

error cell::told_to_end(error reason) {
  return reason ? std::move(reason) : make_error(errc::cancelled, "the actor was told to end");
}

void cell::ask_to_stop(stop what, error reason, bool interrupt) noexcept {
  error given = reason;
  mailbox::posted now;
  if (interrupt) {
    std::optional<cancel_source> running;
    {
      const std::lock_guard hold_lock(side_lock_);  // C4
      now = mailbox_.request(what, given);
      if (now != mailbox::posted::closed) {
        interrupted_ = true;
        if (contexts_) running = contexts_->own;
      }
    }
    if (running) running->cancel(told_to_end(reason));
  } else {
    now = mailbox_.request(what, given);
  }
  if (now == mailbox::posted::wake) schedule();
}

void cell::request_exit(error reason, bool interrupt, bool for_good) noexcept {
  const extras* const e = extras_or_null();
  const bool supervised = e && e->supervisor;
  ask_to_stop(supervised && !for_good ? stop::halt : stop::end, std::move(reason), interrupt);
}

void cell::halt(error reason, bool interrupt) noexcept {
  ask_to_stop(stop::halt, std::move(reason), interrupt);
}

void cell::end(error reason) noexcept {
  request_exit(std::move(reason), false, true);
}

// The end of a life (C5).

// A handler that was interrupted fails because of the request to end, not the other way round.
error cell::reason_to_stop() noexcept {
  if (!mailbox_.wanted() || mailbox_.look() == stop::none) return failure_;
  if (failure_ && !is(failure_, errc::cancelled)) return failure_;
  return mailbox_.stop_reason();
}

void cell::stop_life() noexcept {
  if (!stopping_.load(std::memory_order_relaxed)) {
    stopping_.store(true, std::memory_order_relaxed);
    failure_ = reason_to_stop();
    set_live(false);
    if (stop_children()) return;  // from here on the last child may start the next turn
  }
  stopping_.store(false, std::memory_order_relaxed);
  const error reason = std::exchange(failure_, {});
  extras* const e = extras_or_null();
  if (e && e->supervisor && has_refs() && !home_.stopping.load()) {
    body_.reset();
    end_arrangements();
    forget_signals();
    if (e->reentry) e->reentry->draining = false;
    mailbox_.report(forget_taken());
    // The next object is constructed during the pause, and may spawn children and run errands.
    std::unique_ptr<contexts> old = take_contexts();
    {
      const std::lock_guard hold_lock(e->lock);
      e->childless_for_good = false;
    }
    too_late_for_children_.store(false, std::memory_order_relaxed);  // the mailbox's lock orders it
    const auto supervisor = e->supervisor;  // which may let go of the cell meanwhile
    set_running(*tandem::detail::tls_worker, nullptr);  // as in stop_children()
    if (old) old->own.cancel(reason);  // what handlers spawned ends with the life
    // Before the pause: if somebody above has ended them, their watch may be told until they go, and would wake us.
    old.reset();
    if (mailbox_.pause()) {
      supervisor->stopped(reason, false);
      return;
    }
    set_running(*tandem::detail::tls_worker, &record_);
  }
  finish(reason, !has_refs() && !mailbox_.wanted() && !reason);
}

bool cell::begin_again() noexcept {
  error old;  // goes after the unlock
  const std::lock_guard hold_lock(side_lock_);
  // Nobody else is the consumer now until refill() puts it to sleep, or the turn runs.
  if (!mailbox_.resume(old)) return false;
  interrupted_ = false;
  constructing_ = true;
  return true;
}

void cell::wait_again() noexcept {
  constructing_ = false;
  if (!mailbox_.pause()) schedule();  // it was asked to end meanwhile
}

void cell::restart(std::unique_ptr<actor_body> body, bool keep_mail) noexcept {
  constructing_ = false;
  body_ = std::move(body);
  handled();  // as in start()
  extras& e = *extras_or_null();
  e.restarts.store(e.restarts.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // one writer
  if (!keep_mail) {
    const error why = make_error(errc::unavailable, std::string("actor ") + label() + " was restarted");
    drop(mailbox_.flush(), why);
  }
  end_with_the_system();
  begin_life();
}

// What the object asked to be told is not for the next one.
void cell::forget_signals() noexcept {
  forget_watched();
  drop(mailbox_.flush_control(), {});
}

void cell::undo_construction() noexcept {
  end_arrangements();
  if (extras_or_null()) forget_signals();
  const std::unique_ptr<contexts> old = take_contexts();
  const error why = make_error(errc::cancelled, "the actor's constructor threw");
  if (old) old->own.cancel(why);
  if (extras_or_null()) end_children(why);
}

void cell::drop(envelope_list&& messages, const error& why) noexcept {
  while (!messages.empty()) {
    const envelope_ptr message = messages.pop();
    if (message->lane() != lane::control) {
      undeliverable(*this, *message, why);
    } else if (message->kind() == envelope::form::own) {
      static_cast<own_message&>(*message).drop(*this);
    }
  }
}

// An actor that is a function has no other way to end than to return, mostly what its receive() failed with.
bool cell::was_told_to_end(const error& reason) const noexcept {
  return is(reason, errc::cancelled) || (kind_.is_function && is(reason, errc::closed));
}

void cell::finish(const error& reason, bool unreachable) noexcept {
  ended_ = true;
  set_live(false);
  reason_ = reason;
  wake_list waiting;
  envelope_list queued = mailbox_.close(waiting);
  if (!waiting.empty()) waiting.fail_all(ended_error());
  // First, so that a link finds nobody and reports dead letters by itself: its threads must not run users' handlers.
  home_.table.withdraw(*this);
  if (named_.load(std::memory_order_relaxed)) home_.forget_names(*this);  // ordered by the mailbox's lock
  body_.reset();
  if (contexts_) contexts_->own.cancel(reason);  // what handlers spawned ends with the life
  end_arrangements();
  queued.append(mailbox_.taken.take_all());  // from the stash
  if (!queued.empty()) drop(std::move(queued), ended_error());
  bool known = false;
  if (cell_face* const f = pinned_face()) {
    f->ended(reason, unreachable);
    f->unpin();
    known = true;  // perhaps; CAF does not say whether it has a monitor
  }
  if (extras* const e = extras_unless_late(too_late_to_watch_)) {
    if (e->watchers.tell_all({id_, e->name, reason})) known = true;
    if (e->supervisor) {
      e->supervisor->stopped(reason, true);
      known = true;
    }
    forget_watched();
    leave_parent();
  }
  if (reason && !known && !home_.stopping.load() && !was_told_to_end(reason)) home_.report_failure(*this, reason);
  home_.one_less(id_);
  unhold();  // of the life
}

}  // namespace tandem::actors::detail
