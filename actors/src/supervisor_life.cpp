#include "supervisor_life.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>

#include <fmt/format.h>

#include <tandem/csp/select.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/detail/worker.hpp>

#include "readable_duration.hpp"

namespace tandem::actors::detail {
namespace {

bool in_order(const error& reason) { return !reason || reason.kind_key() == shutdown_reason.key(); }

}  // namespace

supervisor_life::supervisor_life(supervisor_core& core, std::shared_ptr<life_record> record,
                                 const csp::receiver<notice>& inbox, const context& base, const context& watched,
                                 std::uint64_t salt)
    : core_(core),
      record_(std::move(record)),
      inbox_(inbox),
      base_(base),
      watched_(watched),
      is_root_(base.value(place_key) == nullptr),
      salt_(salt) {}

// Coming and going of slots.

supervisor_life::slot& supervisor_life::add(const child_options& options, child_type type, child_shutdown limit,
                                            std::shared_ptr<child> what, bool is_static) {
  const std::uint64_t number = core_.last_number.fetch_add(1, std::memory_order_relaxed) + 1;
  slot& made = slots_.try_emplace(number, number, options, type, limit, std::move(what), is_static).first->second;
  if (!core_.dynamic_like) ids_.emplace(options.id, number);
  made.base = with_value(base_, place_key, place{core_.id, number, base_.value(place_key)});
  made.delays = backoff(core_.options.backoff, salt_ ^ tandem::detail::next_random());
  made.since = now();
  return made;
}

void supervisor_life::erase(slot& s, const error& reason) {
  s.what->retire(reason);
  if (!core_.dynamic_like) ids_.erase(s.options.id);
  if (s.due != no_deadline) dues_.erase({s.due, s.number});
  slots_.erase(s.number);
}

void supervisor_life::settle(slot& s, child_state state) {
  s.state = state;
  s.since = now();
  if (state == child_state::running || state == child_state::stopping) return;
  s.ready = false;
  s.ended = false;
  s.life = ++last_life_;  // V5
  if (s.due != no_deadline) dues_.erase({std::exchange(s.due, no_deadline), s.number});
}

// What comes in.

task<void> supervisor_life::gather(time_point until) {
  if (stop_ && !killed_) until = std::min(until, stop_by_);
  enum { system_over, message, late };  // in this order: retries that fail at once must not keep it from ending
  auto chosen = co_await csp::select_biased(csp::on_done(watched_), csp::on_recv(inbox_), csp::on_deadline(until));
  if (!chosen) co_return begin_to_stop(std::move(chosen).error(), no_deadline, true);
  switch (chosen->index()) {
    case message:
      if (auto& next = std::get<message>(*chosen)) file(std::move(*next));
      co_return;
    case system_over: watched_ = context(); co_return begin_to_stop(std::get<system_over>(*chosen), no_deadline, false);
    default:
      if (stop_ && now() >= stop_by_) killed_ = true;
  }
}

void supervisor_life::begin_to_stop(error reason, time_point until, bool kill) noexcept {
  if (!std::exchange(stop_, true)) stop_reason_ = std::move(reason);
  stop_by_ = std::min(stop_by_, until);
  killed_ = killed_ || kill;
}

void supervisor_life::file(notice what) {
  switch (what.what) {
    case notice::kind::ready:
      if (const auto at = slots_.find(what.number); at != slots_.end() && at->second.life == what.life)
        at->second.ready = true;
      return;
    case notice::kind::ended: return file_end(std::move(what));
    case notice::kind::command: return file_command(std::move(what));
    case notice::kind::stop: return begin_to_stop(std::move(what.reason), what.until, false);
    case notice::kind::kill: return begin_to_stop(std::move(what.reason), what.until, true);
    case notice::kind::retry: pending_.push_back(std::move(what));
  }
}

void supervisor_life::file_end(notice what) {
  const auto at = slots_.find(what.number);
  if (at == slots_.end() || at->second.life != what.life) return;
  slot& s = at->second;
  s.ended = true;
  s.end_reason = std::move(what.reason);
  if (std::exchange(s.awaited, false)) --awaited_;
  if (s.state == child_state::running) pending_.push_back(std::move(what));
}

void supervisor_life::file_command(notice what) {
  if (what.order->answer(*this)) return;
  const auto sender = slots_.find(what.order->from);
  if (sender != slots_.end() &&
      (sender->second.state == child_state::starting || sender->second.state == child_state::stopping))
    return refuse(*what.order, sender->second);
  pending_.push_back(std::move(what));
}

void supervisor_life::refuse(supervisor_command& command, const slot& from) const {
  command.refuse(make_error(
      errc::failed_precondition,
      fmt::format("the command comes from within child {}, for which its supervisor is waiting", name_of(from))));
}

// The child may be waiting for them, and is to be waited for.
void supervisor_life::refuse_commands_of(const slot& s) {
  std::erase_if(pending_, [&](const notice& n) {
    if (n.what != notice::kind::command || n.order->from != s.number) return false;
    refuse(*n.order, s);
    return true;
  });
}

// The phases of the life.

task<error> supervisor_life::run(const child_life* parent) {
  record_->start_error = co_await begin();
  if (!record_->start_error) {
    record_->started.set();
    if (parent) parent->ready();
    co_await serve();
  } else if (!stop_) {
    verdict_ = record_->start_error;
  }
  co_await finish();
  record_->started.set();  // it failed: who is told so finds that nothing runs
  co_return verdict_;
}

task<error> supervisor_life::begin() {
  if (core_.fault) co_return core_.fault;
  for (const child_spec& spec : core_.children) add(spec.options(), spec.type(), spec.shutdown(), spec.what(), true);
  for (auto at = slots_.begin(); at != slots_.end();) {
    slot& s = at->second;
    ++at;
    const start_outcome how = co_await start(s);
    if (stop_)
      co_return wrap(stop_reason_, errc::cancelled,
                     fmt::format("supervisor {} was stopped before all children were started", core_.options.name));
    if (how == start_outcome::failed) {
      report(s, child_incident::start_failed, s.last_reason, supervision_action::give_up);
      co_return wrap(s.last_reason,
                     fmt::format("supervisor {}: child {} failed to start", core_.options.name, name_of(s)));
    }
    if (how == start_outcome::nothing_to_run && s.options.restart == restart_type::temporary) erase(s, {});
  }
  co_return error();
}

task<void> supervisor_life::serve() {
  while (!stop_ && !over_) {
    if (!pending_.empty()) {
      notice next = std::move(pending_.front());
      pending_.pop_front();
      co_await handle(std::move(next));
      continue;
    }
    const time_point due = dues_.empty() ? no_deadline : dues_.begin()->first;
    if (due <= now()) {
      co_await attempt(slots_.at(dues_.begin()->second));
    } else {
      co_await gather(due);
    }
  }
}

task<void> supervisor_life::handle(notice what) {
  if (what.what == notice::kind::command) co_return co_await what.order->run(*this);
  const auto at = slots_.find(what.number);
  if (at == slots_.end() || at->second.life != what.life) co_return;
  if (what.what == notice::kind::ended) {
    co_await child_ended(at->second);
  } else {
    co_await decide(at->second, child_incident::start_failed);
  }
}

task<void> supervisor_life::finish() {
  error reason = verdict_;
  if (stop_) {
    reason = stop_reason_;
  } else if (!reason) {
    reason = make_error(errc::cancelled, fmt::format("supervisor {} shuts down", core_.options.name));
  }
  numbers all;
  for (auto at = slots_.rbegin(); at != slots_.rend(); ++at) all.push_back(at->first);
  if (core_.dynamic_like) {
    co_await end_together(std::move(all), reason);
  } else {
    co_await end(std::move(all), reason);
  }
  for (auto& [number, s] : slots_)
    if (!s.is_static) s.what->retire(reason);
  slots_.clear();
  if (is_root_) core_.retire(reason);
  record_->left = std::move(left_);
}

// Starting, and starting again.

task<supervisor_life::start_outcome> supervisor_life::start(slot& s) {
  settle(s, child_state::starting);
  s.end_reason = {};
  error failure;
  try {
    auto line = std::make_shared<const life_line>(record_->inbox, s.number, s.life, s.base,
                                                  tandem::detail::tls_worker->owner, salt_);
    s.line = line;
    if (s.what->start(child_life(std::move(line)))) s.ready = true;
  } catch (...) {
    failure = from_exception(std::current_exception());
  }
  if (!failure)
    while (!s.ready && !s.ended && !stop_) co_await gather(no_deadline);
  if (s.ready) {
    settle(s, child_state::running);
    if (s.ended) pending_.emplace_back(notice::kind::ended, s.number, s.life);
    co_return start_outcome::running;
  }
  if (!failure && !s.ended) {
    numbers alone(1, s.number);
    co_await end_together(std::move(alone), stop_reason_);
    failure = wrap(stop_reason_, errc::cancelled, "it was stopped while it was starting");
  } else if (!failure) {
    failure = std::move(s.end_reason);
  }
  settle(s, child_state::stopped);
  if (!failure) co_return start_outcome::nothing_to_run;
  s.last_reason = std::move(failure);
  co_return start_outcome::failed;
}

task<void> supervisor_life::child_ended(slot& s) {
  s.delays.ran_for(now() - s.since);
  s.last_reason = std::move(s.end_reason);
  settle(s, child_state::stopped);
  const restart_type when = s.options.restart;
  if (when == restart_type::permanent || (when == restart_type::transient && !in_order(s.last_reason)))
    co_return co_await decide(s, child_incident::ended);
  const error reason = s.last_reason;
  const bool removed = core_.dynamic_like || when == restart_type::temporary;
  over_ = shuts_down(s);
  const auto next = over_     ? supervision_action::shut_down
                    : removed ? supervision_action::remove
                              : supervision_action::keep;
  report(s, child_incident::ended, reason, next);
  if (removed) erase(s, reason);
}

// Of a child that has just ended, by itself, and is not started again.
bool supervisor_life::shuts_down(const slot& s) const {
  if (!s.options.significant || core_.options.shut_down_on == auto_shutdown::never) return false;
  if (core_.options.shut_down_on == auto_shutdown::any_significant) return true;
  return std::ranges::none_of(slots_, [](const auto& entry) {
    return entry.second.options.significant && entry.second.state != child_state::stopped;
  });
}

void supervisor_life::count_restart() {
  const time_point t = now();
  while (!restarts_.empty() && deadline_after(restarts_.front(), core_.options.period) < t) restarts_.pop_front();
  restarts_.push_back(t);
}

error supervisor_life::too_many_restarts(const slot& s) const {
  const auto& o = core_.options;
  error last = s.last_reason ? s.last_reason : make_error(errc::unavailable, "it ended");
  return wrap(std::move(last), shutdown_reason,
              fmt::format("supervisor {} gave up: more than {} restarts in {}, the last of child {}", o.name,
                          o.intensity, readable(o.period), name_of(s)));
}

task<void> supervisor_life::decide(slot& s, child_incident what) {
  count_restart();
  if (restarts_.size() > core_.options.intensity) {
    report(s, what, s.last_reason, supervision_action::give_up);
    verdict_ = too_many_restarts(s);
    over_ = true;
    settle(s, child_state::stopped);
    co_return;
  }
  const duration delay = s.delays.next();
  report(s, what, s.last_reason, supervision_action::restart, delay);
  settle(s, child_state::restarting);
  co_await stop_others(s);
  if (stop_) co_return;
  if (delay <= duration::zero()) co_return co_await attempt(s);
  s.due = deadline_in(delay);
  dues_.emplace(s.due, s.number);
}

// The children that start again with this one, itself included, in the order of starting.
supervisor_life::numbers supervisor_life::concerned(const slot& s) const {
  if (core_.dynamic_like || core_.options.strategy == supervision_strategy::one_for_one) return numbers(1, s.number);
  auto at = core_.options.strategy == supervision_strategy::one_for_all ? slots_.begin() : slots_.find(s.number);
  numbers made;
  for (; at != slots_.end(); ++at) made.push_back(at->first);
  return made;
}

task<void> supervisor_life::stop_others(const slot& s) {
  numbers others;
  for (const std::uint64_t n : concerned(s)) {
    slot& other = slots_.at(n);
    if (n != s.number && other.state == child_state::running) others.push_back(n);
    // It comes up after this one now, not when its own delay is over.
    if (n != s.number && other.state == child_state::restarting) settle(other, child_state::stopped);
  }
  if (others.empty()) co_return;
  std::ranges::reverse(others);
  error reason =
      make_error(errc::cancelled, fmt::format("supervisor {} starts child {} again", core_.options.name, name_of(s)));
  co_await end(others, reason);
  for (const std::uint64_t n : others)
    if (slot& other = slots_.at(n); other.options.restart == restart_type::temporary) erase(other, reason);
}

task<void> supervisor_life::attempt(slot& s) {
  co_await stop_others(s);  // those that commands have started meanwhile
  settle(s, child_state::stopped);
  const numbers again = concerned(s);
  for (const std::uint64_t n : again) {
    if (stop_) co_return;
    slot& next = slots_.at(n);
    const start_outcome how = co_await start(next);
    if (how == start_outcome::running) {
      ++next.restarts;
    } else if (how == start_outcome::nothing_to_run) {
      if (core_.dynamic_like) erase(next, {});
    } else {
      if (stop_) co_return;
      settle(next, child_state::restarting);
      (void)record_->inbox.send(notice(notice::kind::retry, n, next.life));  // behind what came in meanwhile
      co_return;
    }
  }
}

// Ending.

task<void> supervisor_life::end(numbers in_order, error reason) {
  for (const std::uint64_t n : in_order) {
    numbers alone(1, n);
    co_await end_together(std::move(alone), reason);
  }
}

task<void> supervisor_life::end_together(numbers which, error reason) {
  time_point until = now();
  for (const std::uint64_t n : which) tell_to_end(slots_.at(n), reason, until);
  bool patient = !killed_;
  while (awaited_ != 0) {
    if (patient && (killed_ || now() >= until)) {
      patient = false;
      stop_waiting(which, reason);
    } else {
      co_await gather(patient ? until : no_deadline);
    }
  }
  for (const std::uint64_t n : which) conclude(slots_.at(n));
}

void supervisor_life::tell_to_end(slot& s, const error& reason, time_point& until) {
  const bool lives = s.state == child_state::running || s.state == child_state::starting;
  if (!lives || s.ended) return;
  if (s.state == child_state::running) s.delays.ran_for(now() - s.since);
  settle(s, child_state::stopping);
  refuse_commands_of(s);
  if (killed_ || s.shutdown.is_brutal()) {
    s.what->kill(reason);
    s.awaited = s.what->dies_when_killed();
  } else {
    s.what->stop(reason);
    s.awaited = true;
    until = std::max(until, deadline_in(s.shutdown.limit()));
  }
  if (s.awaited) ++awaited_;
}

void supervisor_life::stop_waiting(const numbers& which, const error& reason) {
  for (const std::uint64_t n : which) {
    slot& s = slots_.at(n);
    if (!s.awaited) continue;
    s.what->kill(reason);
    if (s.what->dies_when_killed()) continue;
    s.awaited = false;
    --awaited_;
  }
}

void supervisor_life::conclude(slot& s) {
  if (s.ended) {
    error reason = std::move(s.end_reason);
    if (const auto* const below = reason.as<left_children>())
      for (const left_behind& l : below->all) leave_behind({l.life, fmt::format("{} of {}", l.name, name_of(s))});
    if (!in_order(reason) && reason.code() != errc::cancelled) {
      s.last_reason = reason;
      report(s, child_incident::stopped_badly, reason, supervision_action::none);
    }
  } else if (s.state == child_state::stopping && !s.shutdown.is_brutal()) {
    leave_behind({s.line, name_of(s)});
    report(s, child_incident::left_behind, {}, supervision_action::none);
  }
  if (s.state != child_state::stopped) settle(s, child_state::stopped);
}

void supervisor_life::leave_behind(left_behind child) {
  std::erase_if(left_, [](const left_behind& l) { return l.life.expired(); });  // or they add up over restarts
  left_.push_back(std::move(child));
}

// Commands.

std::uint64_t supervisor_life::find(std::string_view id) const {
  const auto at = ids_.find(id);
  return at == ids_.end() ? 0 : at->second;
}

task<result<child_state>> supervisor_life::start_child(child_spec spec) {
  if (core_.dynamic_like)
    co_return fail(errc::failed_precondition, "the children of this supervisor are made from its template");
  TANDEM_CO_TRY(check_new_child(spec.options(), core_.options.shut_down_on));
  if (const std::uint64_t n = find(spec.options().id); n != 0) {
    const bool runs = slots_.at(n).state == child_state::running;
    co_return fail(errc::already_exists, fmt::format("child {} {}", spec.options().id,
                                                     runs ? "runs already" : "is there already, and does not run"));
  }
  slot& s = add(spec.options(), spec.type(), spec.shutdown(), spec.what(), false);
  const start_outcome how = co_await start(s);
  const child_state now_is = s.state;
  if (how == start_outcome::failed) {
    error why = wrap(s.last_reason, fmt::format("child {} failed to start", name_of(s)));
    erase(s, why);
    co_return fail(std::move(why));
  }
  if (how == start_outcome::nothing_to_run && s.options.restart == restart_type::temporary) erase(s, {});
  co_return now_is;
}

task<result<added_child>> supervisor_life::add_dynamic(std::shared_ptr<child> what) {
  const child_spec& like = *core_.dynamic_like;
  slot& s = add(like.options(), like.type(), like.shutdown(), std::move(what), false);
  const start_outcome how = co_await start(s);
  const added_child made{s.number, s.state};
  if (how == start_outcome::failed) {
    error why = wrap(s.last_reason, fmt::format("child {} failed to start", name_of(s)));
    erase(s, why);
    co_return fail(std::move(why));
  }
  if (how == start_outcome::nothing_to_run) erase(s, {});
  co_return made;
}

task<result<child_state>> supervisor_life::restart_child(std::string id) {
  const std::uint64_t n = find(id);
  if (n == 0) co_return fail(errc::not_found, fmt::format("there is no child {}", id));
  slot& s = slots_.at(n);
  if (s.state == child_state::restarting)
    co_return fail(errc::failed_precondition, fmt::format("child {} is about to be started again", id));
  if (s.state != child_state::stopped) co_return fail(errc::failed_precondition, fmt::format("child {} runs", id));
  const start_outcome how = co_await start(s);
  if (how == start_outcome::failed) co_return fail(wrap(s.last_reason, fmt::format("child {} failed to start", id)));
  co_return s.state;
}

result<void> supervisor_life::delete_child(std::string_view id) {
  const std::uint64_t n = find(id);
  if (n == 0) return fail(errc::not_found, fmt::format("there is no child {}", id));
  slot& s = slots_.at(n);
  if (s.state == child_state::restarting)
    return fail(errc::failed_precondition, fmt::format("child {} is about to be started again", id));
  if (s.state != child_state::stopped) return fail(errc::failed_precondition, fmt::format("child {} runs", id));
  erase(s, make_error(errc::cancelled, fmt::format("child {} was deleted", id)));
  return {};
}

task<void> supervisor_life::terminate(std::uint64_t number) {
  slot& s = slots_.at(number);
  error reason = make_error(errc::cancelled,
                            fmt::format("supervisor {} was told to end child {}", core_.options.name, name_of(s)));
  numbers alone(1, number);
  co_await end_together(std::move(alone), reason);
  if (core_.dynamic_like || s.options.restart == restart_type::temporary) erase(s, reason);
}

std::vector<child_info> supervisor_life::which_children() const {
  std::vector<child_info> made;
  made.reserve(slots_.size());
  for (const auto& [number, s] : slots_)
    made.push_back({core_.dynamic_like ? std::string() : s.options.id, number, s.type, s.state, s.options.restart,
                    s.restarts, s.since, s.last_reason});
  return made;
}

child_counts supervisor_life::count_children() const {
  child_counts made;
  made.specs = core_.dynamic_like ? 1 : slots_.size();
  for (const auto& [number, s] : slots_) {
    if (s.state == child_state::running) ++made.active;
    ++(s.type == child_type::supervisor ? made.supervisors : made.workers);
  }
  return made;
}

result<child_description> supervisor_life::get_child_spec(std::string_view id) const {
  const std::uint64_t n = find(id);
  if (n == 0) return fail(errc::not_found, fmt::format("there is no child {}", id));
  const slot& s = slots_.at(n);
  return child_description{s.options, s.type, s.shutdown};
}

// Telling.

std::string supervisor_life::name_of(const slot& s) const {
  return core_.dynamic_like ? fmt::format("#{}", s.number) : s.options.id;
}

void supervisor_life::report(const slot& s, child_incident what, const error& reason, supervision_action next,
                             duration delay) {
  const supervisor_options& o = core_.options;
  if (!o.on_event && what == child_incident::ended && !reason && next != supervision_action::restart &&
      next != supervision_action::give_up)
    return;
  const supervision_event event{o.name, name_of(s),       s.type,      what,     reason,
                                next,   restarts_.size(), o.intensity, o.period, delay};
  try {
    if (o.on_event) {
      o.on_event(event);
    } else {
      fmt::print(stderr, "tandem: {}\n", to_string(event));
    }
  } catch (...) {  // a report must not end what it reports on
    std::fputs("tandem: a supervisor's event could not be told\n", stderr);
  }
}

}  // namespace tandem::actors::detail
