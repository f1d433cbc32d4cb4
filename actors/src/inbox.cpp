#include <tandem/actors/inbox.hpp>

#include <stdexcept>

#include "cell.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {
namespace {

using csp::detail::commit;
using tandem::detail::selection;
using tandem::detail::task_record;

[[noreturn]] void used_by_another() {
  throw std::logic_error(
      "inbox::receive(): the calling task is not the actor; let it send the actor a message, or use a channel");
}

}  // namespace

void taken_before() {
  throw std::logic_error("received::match(): the message was taken before, or the `received` was moved from");
}

cell& inbox_core::whose() const noexcept { return static_cast<cell&>(self_.target()); }

bool inbox_core::is_own(const task_record& task) const noexcept { return &task == &whose().record_; }

std::size_t inbox_core::depth() const noexcept { return whose().depth(); }

// Acquire: pairs with the release in watched_contexts, so that the reason is visible.
bool inbox_core::is_over(task_record& task) const noexcept {
  const auto& own = static_cast<const cell::watched_contexts&>(*whose().contexts_);
  if (task.context() == own.own.context().state()) return own.over.load(std::memory_order_acquire);
  return context_over(task);
}

bool inbox_core::may_have(envelope_filter wanted) const noexcept {
  const cell& c = whose();
  return c.mailbox_.has_new() || c.mailbox_.wanted() || c.mailbox_.taken.has(wanted);
}

receive_end inbox_core::look(envelope_filter wanted) noexcept {
  cell& c = whose();
  c.mailbox_.take(c.forget_taken());
  if (c.mailbox_.wanted() && c.mailbox_.look() != stop::none) return receive_end::stopped;
  if (c.mailbox_.taken.has(wanted)) return receive_end::message;
  return c.is_out_of_reach() ? receive_end::unreachable : receive_end::nothing;
}

bool inbox_core::has_taken(envelope_filter wanted) const noexcept {
  const cell& c = whose();
  return !c.mailbox_.wanted() && c.mailbox_.taken.has(wanted);
}

envelope_ptr inbox_core::take(envelope_filter wanted) noexcept {
  cell& c = whose();
  while (envelope_ptr message = c.mailbox_.taken.pop(wanted)) {
    if (message->lane() != lane::control && c.count_taken() >= c.mailbox_.report_every())
      c.mailbox_.report(c.forget_taken());
    if (!message->expired()) {
      c.handling_what_.store(message->tag(), std::memory_order_relaxed);
      c.since_.store(message->arrived, std::memory_order_relaxed);
      return message;
    }
    undeliverable(c, *message, error_of(errc::deadline_exceeded));
  }
  return nullptr;
}

void inbox_core::reject(envelope& message, const error& why) noexcept { undeliverable(whose(), message, why); }

error inbox_core::why(receive_end how) const {
  switch (how) {
    case receive_end::over: return context_error(tandem::detail::current_task());
    case receive_end::stopped:
      return tandem::detail::cancelled_because(cell::told_to_end(whose().mailbox_.stop_reason()));
    case receive_end::unreachable: return make_error(errc::closed, "nobody can reach the actor any more");
    case receive_end::not_its_own: used_by_another();
    default: return make_error(errc::would_block, "what came was no message for the actor; select again");
  }
}

// Waiting (N2).

bool inbox_core::wait(task_record& task, envelope_filter wanted) noexcept {
  static constexpr tandem::detail::wait_kind message{"a message", &cancel, nullptr, nullptr, &look_again};
  cell& c = whose();
  wanted_ = wanted;
  task.announces = false;  // like any idle actor
  if (task.context() == c.contexts_->own.context().state()) {  // which tells us of its end: see watched_contexts
    task.waits_for.store(&message, std::memory_order_relaxed);
    task.what = this;
  } else if (!begin_wait(task, message, this)) {
    return false;
  }
  c.handling_what_.store(nullptr, std::memory_order_relaxed);
  c.set_live(false);
  task.looks = true;
  return !look_again(task);
}

// False: it sleeps, and may run elsewhere already.
bool inbox_core::look_again(task_record& task) noexcept {
  auto& self = *static_cast<inbox_core*>(task.what);
  cell& c = self.whose();
  for (;;) {
    if (self.has_taken(self.wanted_) || self.is_over(task)) return true;
    if (c.mailbox_.wanted() && c.mailbox_.look() != stop::none) return true;
    switch (c.mailbox_.refill(c.forget_taken(), [&c] { return c.is_out_of_reach(); }, true)) {
      case mailbox::rest::asleep: return false;
      case mailbox::rest::out_of_reach: return true;
      case mailbox::rest::mail: break;
    }
  }
}

void inbox_core::cancel(task_record& task) noexcept {
  auto& self = *static_cast<inbox_core*>(task.what);
  if (self.whose().mailbox_.poke() == mailbox::posted::wake) make_ready(task);
}

void inbox_core::end_wait(task_record& task) noexcept {
  task.looks = false;
  task.announces = true;
  tandem::detail::end_wait(task);
}

bool receive_base::await_ready() noexcept {
  const bool in_slice = tandem::detail::spend_slice();
  if (!from_.is_own(tandem::detail::current_task())) {
    how_ = receive_end::not_its_own;
    return true;
  }
  if (!from_.has_taken(wanted_)) return false;
  how_ = receive_end::message;
  return in_slice;
}

bool receive_base::suspend(task_record& task) noexcept {
  if (how_ != receive_end::message) {
    waited_ = true;
    if (from_.wait(task, wanted_)) return true;
    if (tandem::detail::slice_left()) return false;
  }
  yield_to_others(task);
  return true;
}

envelope_ptr receive_base::next() noexcept {
  if (how_ == receive_end::not_its_own) return nullptr;
  if (waited_) {
    waited_ = false;
    from_.end_wait(tandem::detail::current_task());
  }
  if (how_ != receive_end::message || !from_.has_taken(wanted_)) {
    how_ = from_.is_over(tandem::detail::current_task()) ? receive_end::over : from_.look(wanted_);
    if (how_ != receive_end::message) return nullptr;
  }
  how_ = receive_end::nothing;
  return from_.take(wanted_);
}

// In a select (N3).

bool receive_base::attempt() noexcept {
  if (!from_.is_own(tandem::detail::current_task())) {
    how_ = receive_end::not_its_own;
    return true;
  }
  how_ = from_.look(wanted_);
  return how_ != receive_end::nothing;
}

commit receive_base::enlist(selection& own, std::uint32_t arm, task_record& task) {
  if (!from_.is_own(task)) used_by_another();
  for (;;) {
    how_ = from_.look(wanted_);
    if (how_ != receive_end::nothing) return own.decide(arm) ? commit::won : commit::lost;
    if (from_.enlist(slot_, own, arm, wanted_)) return commit::waiting;
  }
}

void receive_base::delist(bool) noexcept { from_.delist(slot_); }

bool inbox_core::enlist(receive_slot& slot, selection& own, std::uint32_t arm, envelope_filter wanted) noexcept {
  slot.select = &own;
  slot.arm = arm;
  slot.wanted = wanted;
  cell& c = whose();
  c.handling_what_.store(nullptr, std::memory_order_relaxed);
  return c.mailbox_.add(slot);
}

void inbox_core::delist(receive_slot& slot) noexcept { whose().mailbox_.remove(slot); }

}  // namespace tandem::actors::detail
