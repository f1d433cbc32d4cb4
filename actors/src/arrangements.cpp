#include "arrangements.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include <tandem/actors/idle.hpp>

#include "cell.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {

envelope_ptr idle_timer::due(time_point now, time_point& again) {
  if (const time_point end = deadline_after(last_active_, after_); now < end) {
    again = end;
    return nullptr;
  }
  again = deadline_after(now, after_);
  return envelope_ptr(new told<idle>(idle{now - last_active_}));
}

arrangements& cell::arrange(const char* what) {
  if (kind_.is_function) [[unlikely]]
    throw std::logic_error(fmt::format(
        "tandem: actor_context::{} is for actors with handlers; a function selects over its inbox and timers, receives "
        "only what it wants now, and spawns tasks itself",
        what));
  // The constructor runs outside of a turn; of what else calls this, only the turn is this actor's.
  const tandem::detail::worker_base* const worker = tandem::detail::tls_worker;
  const auto runs_here = [&](const tandem::detail::task_record* task) {
    return task == &record_ || (is_reentrant() && task && task == extras_or_null()->reentry->running);
  };
  const bool in_turn = body_ && worker && runs_here(worker->current);
  if (!in_turn && !constructing_) [[unlikely]]
    throw std::logic_error(fmt::format(
        "tandem: actor_context::{} is for the actor's constructor and its handlers; tell it a message instead", what));
  extras& e = more();
  if (!e.own) e.own = std::make_unique<arrangements>(*this);
  return *e.own;
}

own_timer& cell::start_timer(own_timer& made, time_point when) {
  made.start(*arrange("after()").life, when);
  return made;
}

time_point cell::clock_now() const noexcept { return clock_of(home_.core); }

void cell::set_idle_timeout(duration after) {
  arrangements& own = arrange("set_idle_timeout()");
  if (idle_timer* const before = std::exchange(own.idle, nullptr)) {
    before->cancel();
    before->release();
  }
  if (after <= duration::zero()) return;
  const time_point now = clock_now();
  auto* const made = new idle_timer(after, now);
  try {
    made->start(*own.life, deadline_after(now, after));
  } catch (...) {
    made->release();
    throw;
  }
  own.idle = made;
}

bool cell::has_stash_room() { return arrange("stash()").stashed < mailbox_.capacity(); }

void cell::stash(envelope_ptr message) {
  arrangements& own = arrange("stash()");
  message->arrived = home_.about_now();
  own.stash.push(std::move(message));
  extras_or_null()->stashed.store(static_cast<std::uint32_t>(++own.stashed), std::memory_order_relaxed);
}

std::size_t cell::unstash() {
  arrangements& own = arrange("unstash_all()");
  const std::size_t count = own.stashed;
  if (count != 0) take_from_stash(own);
  return count;
}

void cell::take_from_stash(arrangements& own) noexcept {
  mailbox_.readmit(own.stashed);
  envelope_list& waiting = mailbox_.taken[lane::normal];
  own.stash.append(std::move(waiting));
  waiting = std::move(own.stash);
  own.stashed = 0;
  extras_or_null()->stashed.store(0, std::memory_order_relaxed);
}

void cell::become(std::unique_ptr<actor_body> successor, const actor_kind& kind) {
  arrangements& own = arrange("become()");
  if (!covers(kind.protocol(), protocol()))
    throw std::logic_error(fmt::format("tandem: become<{}>() needs a class that takes all that {} takes: ({})",
                                       kind.class_name(), kind_.class_name(), protocol().text));
  if ((kind.handlers_at_once > 1) != is_reentrant())
    throw std::logic_error(fmt::format("tandem: become<{}>(): of it and {}, only one is reentrant", kind.class_name(),
                                       kind_.class_name()));
  const auto replaced = std::exchange(own.successor, std::move(successor));
  own.successor_kind = &kind;
}

void cell::handled(arrangements& own) noexcept {
  if (own.idle) own.idle->was_active(clock_now());
  if (!own.successor || (is_reentrant() && extras_or_null()->reentry->open() != 0)) return;
  const auto before = std::exchange(body_, std::move(own.successor));
  // Release: whoever reads the kind finds its name made.
  extras_or_null()->became.store(own.successor_kind, std::memory_order_release);
}

errand cell::begin_errand() {
  const arrangements& own = arrange("pipe_to_self()");
  more().children.fetch_add(1, std::memory_order_relaxed);  // by who reaches the actor
  hold();
  return errand(*this, *own.life);
}

void cell::errand_over() noexcept {
  extras& mine = *extras_or_null();
  bool last;
  bool ends;
  {
    const std::lock_guard hold_lock(mine.lock);
    last = mine.children.fetch_sub(1, std::memory_order_release) == 1;  // as in leave_parent()
    ends = last && mine.childless_for_good;
  }
  if (last) is_childless(ends);
  unhold();
}

void cell::end_arrangements() noexcept {
  extras* const e = extras_or_null();
  if (!e || !e->own) return;
  arrangements& own = *e->own;
  own.life->end();
  if (own.idle) own.idle->release();
  if (own.stashed != 0) take_from_stash(own);
  e->became.store(nullptr, std::memory_order_release);
  e->own.reset();
}

}  // namespace tandem::actors::detail
