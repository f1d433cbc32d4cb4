// cell: what reports and the dead letters say of it.
#include <chrono>

#include "cell.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {

void cell::list(tandem::detail::census_taker& out, tandem::detail::census_of whom) noexcept {
  static constexpr tandem::detail::wait_kind idle{"a message", nullptr};
  if (is_reentrant()) {
    reentrance& re = *extras_or_null()->reentry;
    re.list(out, kind_now().class_name().c_str());
    if (re.any_open()) return;
  }
  const tandem::detail::wait_kind* waits_for = nullptr;
  if (live_.load(std::memory_order_relaxed)) {
    waits_for = record_.waits_for.load(std::memory_order_relaxed);
  } else {
    if (whom == tandem::detail::census_of::live_tasks) return;
    if (mailbox_.is_asleep()) waits_for = &idle;
  }
  add_task(out, record_, waits_for, kind_now().class_name().c_str());
}

actor_info cell::describe() {
  actor_info info;
  info.id = id_;
  info.name = target_name();
  info.class_name = kind_now().class_name();
  const coarse_time now = home_.coarse_now();
  if (extras* const e = extras_or_null()) {
    info.restarts = e->restarts.load(std::memory_order_relaxed);
    info.parent = e->parent_id;
  }
  info.depth = depth();
  if (const extras* const e = extras_or_null()) info.depth += e->stashed.load(std::memory_order_relaxed);
  info.overflows = mailbox_.overflows();
  coarse_time oldest = oldest_taken_.load(std::memory_order_relaxed);
  const bool taken = oldest != coarse_time{};
  coarse_time waiting{};
  if (mailbox_.oldest(waiting) && !taken) oldest = waiting;
  if (info.depth != 0 && oldest != coarse_time{}) info.oldest_age = between(oldest, now);
  if (const signature_info* const what = handling_what_.load(std::memory_order_relaxed)) {
    info.handling = what->message().name;
    info.handling_for = between(since_.load(std::memory_order_relaxed), now);
  }
  bool handlers_wait = false;
  if (is_reentrant()) {
    const signature_info* what = nullptr;
    coarse_time since{};
    handlers_wait = extras_or_null()->reentry->oldest(what, since);
    if (handlers_wait) info.handling_for = between(since, now);
    if (handlers_wait && what) info.handling = what->message().name;
  }
  if (mailbox_.is_closed() || stopping_.load(std::memory_order_relaxed)) {
    info.state = actor_state::ending;
  } else if (mailbox_.is_paused()) {
    info.state = actor_state::stopped;
  } else if (mailbox_.is_asleep()) {
    info.state = handlers_wait ? actor_state::waiting : actor_state::idle;
  } else {
    const bool waits = live_.load(std::memory_order_relaxed) && record_.waits_for.load(std::memory_order_relaxed);
    info.state = waits ? actor_state::waiting : actor_state::busy;
  }
  return info;
}

void cell::report_dead_letter(const envelope& message, const error& why) noexcept {
  // Senders report too: what the mailbox dropped, or was closed to. The system may be gone by then.
  const living_system::visit visit(system_number_);
  system_impl* const home = visit.system();
  if (!home) return;  // nobody is left to be told
  home->report_made([&] {
    const bool arrived = message.arrived != coarse_time{};
    return dead_letter{.reason = why,
                       .target_id = id_,
                       .target_name = target_name(),
                       .message_type = message.type_name(),
                       .target_class = kind_.class_name(),
                       .waited = arrived ? between(message.arrived, home->coarse_now()) : std::chrono::milliseconds(0)};
  });
}

}  // namespace tandem::actors::detail
