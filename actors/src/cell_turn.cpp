// cell: its turn, and the handlers that run in it. What a message takes on its way to them is in one file, to be
// inlined.
#include <coroutine>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include "cell.hpp"
#include "cell_block.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {
namespace {

using tandem::detail::promise_base;

// Of the resume in progress on this thread. A handler's end is seen by the resume() that led to it, which runs on the
// same thread; the cell itself may by then have been resumed, and have ended, elsewhere.
constinit thread_local bool handler_has_ended = false;

tandem::detail::after_end handler_ended(promise_base&) noexcept {
  handler_has_ended = true;
  return tandem::detail::after_end::nothing;
}
constexpr tandem::detail::end_hook at_handler_end{&handler_ended, nullptr};

}  // namespace

void cell::block::run() noexcept {
  if (goes_on()) [[likely]] actor.turn();
}

void cell::turn() noexcept {
  tandem::detail::worker_base& worker = *tandem::detail::tls_worker;
  set_running(worker, &record_);
  run_turn();
  set_running(worker, nullptr);
}

bool cell::is_out_of_reach() const noexcept {
  if (has_refs() || face_.load(std::memory_order_acquire)) return false;
  const extras* const e = extras_or_null();
  return !e || (e->children.load(std::memory_order_acquire) == 0 && e->stays.load(std::memory_order_acquire) == 0);
}

void cell::run_turn() noexcept {
  if (stopping_.load(std::memory_order_relaxed) || !body_) [[unlikely]] return stop_life();
  if (kind_.is_function) return run_function();
  if (is_reentrant()) return run_reentrant();
  if (handling_) {
    if (!resume_handler()) return;
    since_.store(home_.about_now(), std::memory_order_relaxed);
  }
  for (;;) {
    if (failure_) [[unlikely]] return stop_life();
    if (mailbox_.wanted() && mailbox_.look() != stop::none) return stop_life();
    if (mailbox_.taken.empty()) {
      set_live(false);
      if (contexts_ && !keeps_contexts_) [[unlikely]] shed_contexts();
      oldest_taken_.store(coarse_time{}, std::memory_order_relaxed);
      switch (mailbox_.refill(forget_taken(), [this] { return is_out_of_reach(); }, true)) {
        case mailbox::rest::asleep: return;  // C2
        case mailbox::rest::out_of_reach: return stop_life();
        case mailbox::rest::mail: break;
      }
      if (!mailbox_.taken[lane::normal].empty())
        oldest_taken_.store(mailbox_.taken[lane::normal].front().arrived, std::memory_order_relaxed);
      continue;
    }
    if (!tandem::detail::spend_slice()) {
      since_.store(home_.about_now(), std::memory_order_relaxed);
      return yield_to_others(record_);
    }
    if (!handle_next(mailbox_.taken.pop())) return;
  }
}

void cell::run_function() noexcept {
  if (!handling_) {
    enter_own_context();
    if (body_->handle(nullptr, {running_, failure_}) == step::suspends) begin_handler(no_deadline);
  }
  if (handling_ && !resume_handler()) return;
  // What receive() said, and the function passed on.
  if (failure_ && failure_.code() == errc::closed && is_out_of_reach()) failure_ = {};
  stop_life();
}

// Handlers and messages take turns, so that neither starves the other.
void cell::run_reentrant() noexcept {
  extras& e = *extras_or_null();
  reentrance& re = *e.reentry;
  for (;;) {
    activation* const ready = re.next_ready();
    if (ready) resume(*ready);
    if (!re.draining && (failure_ || (mailbox_.wanted() && mailbox_.look() != stop::none))) drain(re);
    const bool turns_into_another = e.own && e.own->successor;  // when the open ones have ended
    if (re.draining) {
      if (re.open() == 0) return stop_life();
      if (!ready && re.park()) return;
    } else if (!mailbox_.taken.empty() && re.has_room() && !turns_into_another) {
      (void)handle_next(mailbox_.taken.pop());
    } else if (ready) {
      if (mailbox_.taken.empty()) mailbox_.take(forget_taken());
    } else {
      oldest_taken_.store(coarse_time{}, std::memory_order_relaxed);
      const bool stuck = !mailbox_.taken.empty();
      switch (mailbox_.refill(forget_taken(), [this] { return is_out_of_reach(); }, stuck)) {
        case mailbox::rest::asleep: return;  // C2, E2
        case mailbox::rest::out_of_reach: return stop_life();
        case mailbox::rest::mail: break;
      }
      if (!mailbox_.taken[lane::normal].empty())
        oldest_taken_.store(mailbox_.taken[lane::normal].front().arrived, std::memory_order_relaxed);
    }
    if (!tandem::detail::spend_slice()) {
      since_.store(home_.about_now(), std::memory_order_relaxed);
      return yield_to_others(record_);
    }
  }
}

// From here on no handler is begun, and those that are open are interrupted.
void cell::drain(reentrance& re) noexcept {
  failure_ = reason_to_stop();
  re.draining = true;
  if (re.open() != 0)
    contexts_->own.cancel(told_to_end(failure_));
}

void cell::begin_activation(time_point deadline) noexcept {
  reentrance& re = *extras_or_null()->reentry;
  auto* const made = new activation(*this, std::move(running_),
                                    handling_what_.exchange(nullptr, std::memory_order_relaxed), deadline);
  stay();
  re.begin(*made);
  begin_with(*made, made->running.frame, at_handler_end);
  resume(*made);
}

TANDEM_DETAIL_RUNS_TASKS void cell::resume(activation& a) noexcept {
  tandem::detail::worker_base& worker = *tandem::detail::tls_worker;
  reentrance& re = *extras_or_null()->reentry;
  re.running = &a;
  set_running(worker, &a);
  tandem::detail::resume_directly(std::coroutine_handle<promise_base>::from_promise(*a.innermost));
  const bool ended = std::exchange(handler_has_ended, false);
  error why;
  if (ended) a.running.finish(why);
  re.running = nullptr;
  set_running(worker, &record_);
  if (!ended) return;
  re.end(a);
  if (!failure_ && !re.draining) failure_ = std::move(why);
  handled();
  extras_or_null()->stays.fetch_sub(1, std::memory_order_relaxed);  // the turn looks when it falls asleep
}

void cell::resume_in_turn(activation& a) noexcept {
  hold();  // the turn there is may end `a`, and the actor, before we are done here
  if (extras_or_null()->reentry->made_ready(a) || mailbox_.poke() == mailbox::posted::wake) turn();
  unhold();
}

inline void cell::begin_handler(time_point deadline) noexcept {
  since_.store(home_.about_now(), std::memory_order_relaxed);
  if (deadline != no_deadline) enter_context(deadline);
  begin_with(record_, running_.frame, at_handler_end);
  handling_ = true;
}

// False if it is suspended.
[[gnu::always_inline]] inline bool cell::run_handler() noexcept {
  tandem::detail::resume_directly(std::coroutine_handle<promise_base>::from_promise(*record_.innermost));
  if (!std::exchange(handler_has_ended, false)) return false;  // C2
  running_.finish(failure_);
  handling_ = false;
  handling_what_.store(nullptr, std::memory_order_relaxed);
  if (contexts_ && contexts_->of_message) {
    record_.set_context(contexts_->own.context().state(), contexts_->membership);
    contexts_->of_message.reset();
  }
  handled();
  return true;
}

TANDEM_DETAIL_RUNS_TASKS bool cell::resume_handler() noexcept { return run_handler(); }

// False if a handler is suspended.
TANDEM_DETAIL_RUNS_TASKS bool cell::handle_next(envelope_ptr message) noexcept {
  if (message->lane() == lane::control) {
    if (message->kind() == envelope::form::own && !open(message)) return true;
  } else if (count_taken() >= mailbox_.report_every()) {
    mailbox_.report(forget_taken());
  }
  const time_point deadline = message->deadline();
  if (message->expired()) {
    undeliverable(*this, *message, error_of(errc::deadline_exceeded));
    return true;
  }
  handling_what_.store(message->tag(), std::memory_order_relaxed);
  const step outcome = body_->handle(std::move(message), {running_, failure_});
  if (outcome != step::suspends) [[likely]] {
    handling_what_.store(nullptr, std::memory_order_relaxed);
    if (outcome == step::rejected) [[unlikely]] {
      undeliverable(*this, *running_.message, std::exchange(failure_, {}));
      running_.message.reset();
    }
    handled();
    return true;
  }
  if (is_reentrant()) {
    begin_activation(deadline);
    return true;
  }
  const envelope_list& next = mailbox_.taken[lane::normal];
  oldest_taken_.store(next.empty() ? coarse_time{} : next.front().arrived, std::memory_order_relaxed);
  begin_handler(deadline);
  return run_handler();
}

// False if there is nothing to handle.
bool cell::open(envelope_ptr& message) noexcept {
  try {
    message = static_cast<own_message&>(*message).open(*this);
  } catch (...) {
    failure_ = handler_threw(std::current_exception(), message->type_name());
    message.reset();
  }
  return message != nullptr;
}

cell::watched_contexts::watched_contexts(const context& parent, cell& c)
    : contexts(parent),
      context_watch([](context_watch& self) noexcept {
        auto& mine = static_cast<watched_contexts&>(self);
        mine.over.store(true, std::memory_order_release);  // pairs with the load in inbox_core::is_over()
        mine.whose.look_whether_reached(false);
      }),
      whose(c) {
  if (!watch_end(own.context(), *this)) over.store(true, std::memory_order_relaxed);  // nobody else knows it yet
}

cell::watched_contexts::~watched_contexts() { unwatch_end(own.context(), *this); }

void cell::make_contexts() {
  if (contexts_) return;
  const context& above = is_supervised() ? extras_or_null()->base : home_.context.context();
  std::unique_ptr<contexts> made;
  if (kind_.is_function) {
    made = std::make_unique<watched_contexts>(above, *this);
  } else {
    made = std::make_unique<contexts>(above);
  }
  bool late;
  {
    const std::lock_guard hold_lock(side_lock_);
    contexts_ = std::move(made);
    late = interrupted_;
  }
  if (late) contexts_->own.cancel(told_to_end(mailbox_.stop_reason()));  // C4
}

// Between the look and the lock nobody can come to use them but who interrupts (C4).
void cell::shed_contexts() noexcept {
  if (!tandem::detail::is_used_by_nobody_else(contexts_->own.context())) return;
  std::unique_ptr<contexts> old;  // goes outside of the lock
  const std::lock_guard hold_lock(side_lock_);
  if (interrupted_) return;
  record_.defer_context();
  old = std::move(contexts_);
  keeps_contexts_ = true;
}

// Of a life that is over, whose reason they are to be ended with.
std::unique_ptr<cell::contexts> cell::take_contexts() noexcept {
  record_.defer_context();
  keeps_contexts_ = false;
  const std::lock_guard hold_lock(side_lock_);
  return std::move(contexts_);
}

void cell::enter_own_context() {
  make_contexts();
  record_.set_context(contexts_->own.context().state(), contexts_->membership);
}

context cell::own_context() {
  make_contexts();
  return contexts_->own.context();
}

// Of the handler that is about to run.
void cell::enter_context(time_point deadline) {
  make_contexts();
  contexts_->of_message.emplace(contexts_->own.context(), deadline);
  record_.set_context(contexts_->of_message->context().state(), contexts_->membership);
}

// Shutdown names the tasks that live; an actor counts while a handler may be suspended.
void cell::set_live(bool live) noexcept {
  if (live == live_.load(std::memory_order_relaxed)) return;
  live_.store(live, std::memory_order_relaxed);
  if (live) {
    live_.store(add_live_task(record_), std::memory_order_relaxed);
  } else {
    remove_live_task(record_);
  }
}

}  // namespace tandem::actors::detail
