#include "cell.hpp"

#include <algorithm>
#include <exception>
#include <mutex>

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

error told_to_end(error reason) {
  return reason ? std::move(reason) : make_error(errc::cancelled, "the actor was told to end");
}

}  // namespace

// An actor in memory. Its record comes first, and the block is where all tasks are, so that reports find it.
struct cell::block final : tandem::detail::task_record {
  block(system_impl& home, std::uint64_t actor_id, spawn_actor_options options, const actor_kind& kind)
      : task_record(home.core, tandem::detail::id_of_origin("actor", std::source_location::current())),
        actor(*this, home, actor_id, std::move(options), kind) {}
  ~block() override = default;

  void run() noexcept override {
    if (goes_on()) [[likely]] actor.turn();
  }
  [[nodiscard]] const char* name() const noexcept override { return actor.label(); }
  [[nodiscard]] bool is_spawned() const noexcept override { return false; }
  [[nodiscard]] void* place() noexcept override { return nullptr; }  // nobody joins a handler
  void about_to_wait() noexcept override {
    if (defers_context()) make_context();
    actor.set_live(true);
  }
  void make_context() noexcept override { actor.enter_own_context(); }

  cell actor;
};

cell& cell::make(system_impl& home, std::uint64_t id, spawn_actor_options options, const actor_kind& kind) {
  return (new block(home, id, std::move(options), kind))->actor;
}

void cell::destroy() noexcept { delete static_cast<block*>(&record_); }

cell::cell(tandem::detail::task_record& record, system_impl& home, std::uint64_t id, spawn_actor_options options,
           const actor_kind& kind)
    : home_(home),
      kind_(kind),
      id_(id),
      record_(record),
      mailbox_(options.mailbox_capacity, options.when_full, home.options.gate != nullptr),
      context_object_(*this),
      simulated_(home.simulated),
      system_number_(home.living.number()) {
  record_.announces = true;
  record_.defer_context();
  (void)kind.class_name();  // made at the first use, and list() must not allocate
  if (!options.name.empty()) more().name = std::move(options.name);
  if (is_reentrant()) more().reentry = std::make_unique<reentrance>(kind.handlers_at_once);
}

cell::~cell() { delete extras_.load(std::memory_order_relaxed); }  // nobody else refers to the cell

cell::extras& cell::more() {
  if (extras* const there = extras_or_null()) return *there;
  auto made = std::make_unique<extras>();
  extras* there = nullptr;
  // Whoever finds it sees it constructed. In the one order of the stores of C8.
  if (extras_.compare_exchange_strong(there, made.get(), std::memory_order_seq_cst)) there = made.release();
  return *there;
}

// C8
cell::extras* cell::extras_unless_late(std::atomic<bool>& late) noexcept {
  if (extras* const there = extras_or_null()) return there;
  late.store(true, std::memory_order_seq_cst);
  return extras_.load(std::memory_order_seq_cst);
}

std::string_view cell::given_name() const noexcept {
  const extras* const e = extras_or_null();
  return e ? std::string_view(e->name) : std::string_view();
}

const char* cell::label() const noexcept {
  const extras* const e = extras_or_null();
  return e && !e->name.empty() ? e->name.c_str() : kind_now().class_name().c_str();
}

// Of its object: become() may have changed that. Acquire: pairs with the release there.
const actor_kind& cell::kind_now() const noexcept {
  const extras* const e = extras_or_null();
  const actor_kind* const became = e ? e->became.load(std::memory_order_acquire) : nullptr;
  return became ? *became : kind_;
}

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

void cell::supervise(std::shared_ptr<overseer> by) { more().supervisor = std::move(by); }
void cell::run_under(context base) { more().base = std::move(base); }

bool cell::is_supervised() const noexcept {
  const extras* const e = extras_or_null();
  return e && e->supervisor;
}

// References (C1).

void cell::first_ref() noexcept {
  hold();
  pin_face_for_refs();
}

void cell::last_ref_gone() noexcept {
  pin_face_for_refs();
  look_whether_reached(true);
  unhold();
}

bool cell::is_out_of_reach() const noexcept {
  if (has_refs() || face_.load(std::memory_order_acquire)) return false;
  const extras* const e = extras_or_null();
  return !e || (e->children.load(std::memory_order_acquire) == 0 && e->stays.load(std::memory_order_acquire) == 0);
}

// After something is gone that reached the actor. One that is paused has a supervisor, whose ref counts.
void cell::look_whether_reached(bool paused_too) noexcept {
  const mailbox::posted now = kind_.is_function ? mailbox_.poke() : mailbox_.nudge(paused_too);
  if (now == mailbox::posted::wake) schedule();
}

// The face (C6).

// Called after the first ref came, or the last went; of several such calls at a time, the last sees how it is.
void cell::pin_face_for_refs() noexcept {
  if (!face_.load(std::memory_order_relaxed)) return;  // one that is being made is pinned by who makes it
  cell_face* to_unpin = nullptr;
  {
    const std::lock_guard hold_lock(side_lock_);
    cell_face* const f = face_.load(std::memory_order_relaxed);
    if (!f) return;
    if (has_refs()) {
      face_pinned_ = face_pinned_ || f->try_pin();
    } else if (std::exchange(face_pinned_, false)) {
      to_unpin = f;
    }
  }
  if (to_unpin) to_unpin->unpin();
}

cell_face* cell::pinned_face() noexcept {
  if (!face_.load(std::memory_order_relaxed)) return nullptr;
  const std::lock_guard hold_lock(side_lock_);
  cell_face* const f = face_.load(std::memory_order_relaxed);
  return f && f->try_pin() ? f : nullptr;
}

cell_face* cell::adopt_face(cell_face& made) noexcept {
  const std::lock_guard hold_lock(side_lock_);
  if (cell_face* const f = face_.load(std::memory_order_relaxed); f && f->try_pin()) return f;
  face_.store(&made, std::memory_order_release);
  face_pinned_ = true;
  return &made;
}

void cell::face_gone(const cell_face& which) noexcept {
  {
    const std::lock_guard hold_lock(side_lock_);
    if (face_.load(std::memory_order_relaxed) != &which) return;
    face_.store(nullptr, std::memory_order_release);
    face_pinned_ = false;
  }
  look_whether_reached(false);
}

inline void cell::tell_gate(envelope& message) noexcept {
  if (mailbox_.is_gated()) [[unlikely]] home_.options.gate->queued(*this, message);
}

bool cell::let_in(const envelope* message) noexcept {
  const mailbox::posted now = mailbox_.let_in(message);
  if (now == mailbox::posted::wake) schedule(home_.about_now());
  return now != mailbox::posted::closed;
}

// Senders' side.

std::size_t cell::depth() const noexcept {
  const std::size_t held = mailbox_.depth();
  const std::size_t taken = taken_.load(std::memory_order_relaxed);
  return held > taken ? held - taken : 0;
}

error cell::ended_error() const noexcept {
  const std::string text = std::string("actor ") + label() + " has ended";
  return reason_ ? wrap(reason_, errc::unavailable, text) : make_error(errc::unavailable, text);
}

target::delivery cell::try_deliver(envelope_ptr& message, error& why) noexcept {
  envelope* const sent = message.get();
  const coarse_time at = about_now();
  switch (mailbox_.push(message, mailbox::admission::by_policy, at)) {
    case mailbox::posted::wake:
      schedule(at);
      return delivery::delivered;
    case mailbox::posted::queued:
      tell_gate(*sent);
      return delivery::delivered;
    case mailbox::posted::dropped_and_wake:
      schedule(at);
      [[fallthrough]];
    case mailbox::posted::dropped:
      if (message.get() != sent) tell_gate(*sent);
      refused(*message);
      message.reset();
      return delivery::delivered;
    case mailbox::posted::full:
      if (mailbox_.waits()) return delivery::full;
      why = mailbox_is_full(label());
      return delivery::failed;
    case mailbox::posted::closed:
      break;
  }
  why = ended_error();
  return delivery::failed;
}

room_waiter::phase cell::wait_for_room(room_waiter& w) noexcept {
  room_waiter::phase now = room_waiter::phase::fresh;
  envelope* const sent = w.message.get();
  const coarse_time at = about_now();
  switch (mailbox_.wait(w, now, at)) {
    case mailbox::posted::closed:
      w.why = ended_error();
      return now;
    case mailbox::posted::wake:
      schedule(at);
      return now;
    default:
      if (now != room_waiter::phase::cancelled) tell_gate(*sent);
      return now;
  }
}

void cell::refused(envelope& message) noexcept { undeliverable(*this, message, mailbox_is_full(label())); }

void cell::deliver(envelope_ptr message, mailbox::admission how) noexcept {
  envelope* const sent = message.get();
  const coarse_time at = about_now();
  switch (mailbox_.push(message, how, at)) {
    case mailbox::posted::wake:
      schedule(at);
      return;
    case mailbox::posted::queued:
      tell_gate(*sent);
      return;
    case mailbox::posted::dropped_and_wake:
      schedule(at);
      [[fallthrough]];
    case mailbox::posted::full:
    case mailbox::posted::dropped:
      if (message.get() != sent) tell_gate(*sent);
      refused(*message);
      return;
    case mailbox::posted::closed:
      if (message->lane() != lane::control) undeliverable(*this, *message, ended_error());
      return;
  }
}

void cell::deliver_bytes(incoming message) noexcept {
  deliver(envelope_ptr(new incoming_envelope(std::move(message))), mailbox::admission::in_any_case);
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

bool cell::watch(watcher& w) noexcept {
  watcher_list& all = more().watchers;
  const bool added = all.add(w);
  if (!added || (too_late_to_watch_.load(std::memory_order_seq_cst) && all.remove(w)))  // C8
    w.told({id_, target_name(), reason_});
  return true;
}

bool cell::unwatch(watcher& w) noexcept {
  extras* const e = extras_or_null();
  return e && e->watchers.remove(w);
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

actors::system& cell::home() const noexcept { return home_.self; }

// Reports.

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

// The turn.

void cell::turn() noexcept {
  tandem::detail::worker_base& worker = *tandem::detail::tls_worker;
  set_running(worker, &record_);
  run_turn();
  set_running(worker, nullptr);
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

void cell::stay_no_longer() noexcept {
  // Release: who falls asleep sees that there is none only after what this one did.
  if (extras_or_null()->stays.fetch_sub(1, std::memory_order_release) == 1) look_whether_reached(false);
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

void cell::shed_contexts() noexcept {
  if (!tandem::detail::is_used_by_nobody_else(contexts_->own.context())) return;
  std::unique_ptr<contexts> old;  // goes outside of the lock
  const std::lock_guard hold_lock(side_lock_);
  if (interrupted_) return;
  record_.defer_context();
  old = std::move(contexts_);
  keeps_contexts_ = true;
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
    record_.defer_context();
    std::unique_ptr<contexts> old;  // goes outside of the lock
    {
      const std::lock_guard hold_lock(side_lock_);
      old = std::move(contexts_);
    }
    {
      const std::lock_guard hold_lock(e->lock);
      e->childless_for_good = false;
    }
    too_late_for_children_.store(false, std::memory_order_relaxed);  // the mailbox's lock orders it
    const auto supervisor = e->supervisor;  // which may let go of the cell meanwhile
    set_running(*tandem::detail::tls_worker, nullptr);  // as in stop_children()
    if (old) old->own.cancel(reason);  // what handlers spawned ends with the life
    if (mailbox_.pause()) {
      supervisor->stopped(reason, false);
      return;
    }
    set_running(*tandem::detail::tls_worker, &record_);
  }
  finish(reason, !has_refs() && !mailbox_.wanted() && !reason);
}

void cell::halt(error reason, bool interrupt) noexcept {
  ask_to_stop(stop::halt, std::move(reason), interrupt);
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
  record_.defer_context();
  std::unique_ptr<contexts> old;
  {
    const std::lock_guard hold_lock(side_lock_);
    old = std::move(contexts_);
  }
  const error why = make_error(errc::cancelled, "the actor's constructor threw");
  if (old) old->own.cancel(why);
  if (extras_or_null()) end_children(why);
}

void cell::end(error reason) noexcept {
  request_exit(std::move(reason), false, true);
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

// Parents and children, watching.

bool cell::add_child(cell& child) noexcept {
  extras& mine = more();
  extras& its = child.more();
  const std::lock_guard hold_lock(mine.lock);
  if (mine.childless_for_good || too_late_for_children_.load(std::memory_order_seq_cst)) return false;  // C8
  mine.children.fetch_add(1, std::memory_order_relaxed);  // by who reaches the parent
  hold();
  its.parent = this;
  its.parent_id = id_;
  its.next_sibling = mine.first_child;
  if (mine.first_child) mine.first_child->extras_or_null()->previous_sibling = &child;
  mine.first_child = &child;
  return true;
}

// Under the lock.
std::vector<cell*> cell::held_children(extras& e) noexcept {
  std::vector<cell*> children;
  for (cell* c = e.first_child; c; c = c->extras_or_null()->next_sibling) {
    c->hold();  // it leaves the list before its life ends
    children.push_back(c);
  }
  return children;
}

// Of an object that was never finished.
void cell::end_children(const error& why) noexcept {
  extras& e = *extras_or_null();
  std::vector<cell*> children;
  {
    const std::lock_guard hold_lock(e.lock);
    children = held_children(e);
  }
  for (cell* const c : children) {
    c->request_exit(why, true, true);
    c->unhold();
  }
}

// True if there are some, or errands: the last will start a turn.
bool cell::stop_children() noexcept {
  extras* const e = extras_unless_late(too_late_for_children_);
  if (!e) return false;
  std::vector<cell*> children;
  std::optional<cancel_source> errands;
  error why;
  {
    const std::lock_guard hold_lock(e->lock);
    e->childless_for_good = true;
    if (e->children.load(std::memory_order_relaxed) == 0) return false;
    children = held_children(*e);
    if (contexts_) errands = contexts_->own;
    why = make_error(errc::cancelled, "the actor it belongs to has ended");
    // Once the lock is released, nothing of this cell is touched any more (C2): errors that are made from here on must
    // not ask for the name of what runs.
    set_running(*tandem::detail::tls_worker, nullptr);
  }
  if (errands) errands->cancel(why);
  for (cell* const c : children) {
    c->request_exit(why, true, true);
    c->unhold();
  }
  return true;
}

void cell::leave_parent() noexcept {
  extras& mine = *extras_or_null();
  cell* const parent = mine.parent;
  if (!parent) return;
  extras& its = *parent->extras_or_null();
  bool last;
  bool ends;
  {
    const std::lock_guard hold_lock(its.lock);
    (mine.previous_sibling ? mine.previous_sibling->extras_or_null()->next_sibling : its.first_child) =
        mine.next_sibling;
    if (mine.next_sibling) mine.next_sibling->extras_or_null()->previous_sibling = mine.previous_sibling;
    mine.parent = nullptr;
    // Release: who falls asleep sees that there are none only after this one has ended.
    last = its.children.fetch_sub(1, std::memory_order_release) == 1;
    ends = last && its.childless_for_good;
  }
  if (last) parent->is_childless(ends);
  parent->unhold();
}

void cell::is_childless(bool for_good) noexcept {
  if (for_good) {
    schedule();  // C5
  } else {
    look_whether_reached(false);
  }
}

namespace {

// Passes an end on to an actor. It has a hold, not a ref, so that watching keeps nobody alive; and it does not look in
// the system's table, where the actor is not yet while its constructor runs.
class actor_watcher final : public watcher {
 public:
  explicit actor_watcher(cell& whose) noexcept : whose_(whose) { whose_.hold(); }
  void told(const down& what) noexcept override { whose_.tell_down(what); }

 private:
  ~actor_watcher() override { whose_.unhold(); }

  cell& whose_;
};

}  // namespace

result<void> cell::watch_from_here(target& whom) {
  auto* const other = dynamic_cast<cell*>(&whom);
  if (!other || &other->home_ != &home_)
    return fail(errc::unimplemented, "only actors of the same system can be watched");
  if (other == this) return fail(errc::invalid_argument, "an actor cannot watch itself: it would not be there to be told");
  extras& mine = more();
  auto* const by = new actor_watcher(*this);
  bool added = false;
  {
    const std::lock_guard hold_lock(mine.lock);
    if (std::ranges::none_of(mine.watching, [&](const watched& w) { return w.id == other->id_; })) {
      mine.watching.push_back({other->id_, by});
      by->retain();
      added = true;
    }
  }
  if (added) other->watch(*by);
  by->release();
  return {};
}

bool cell::unwatch_from_here(const target& whom) noexcept {
  const auto* const other = dynamic_cast<const cell*>(&whom);
  if (!other || &other->home_ != &home_) return false;  // ids of other systems and nodes are those of other actors here
  extras* const mine = extras_or_null();
  if (!mine) return false;
  watcher* by;
  {
    const std::lock_guard hold_lock(mine->lock);
    by = take_watched(*mine, other->id_);
  }
  if (!by) return false;
  if (const local_target_ptr found = home_.table.find(other->id_)) found->unwatch(*by);
  by->release();
  return true;
}

void cell::tell_down(const down& what) noexcept {
  envelope_ptr message(new told<down>(what));
  message->set_lane(lane::control);
  extras& mine = *extras_or_null();
  watcher* by;
  {
    const std::lock_guard hold_lock(mine.lock);
    by = take_watched(mine, what.id);
    if (!by) return;
    post(std::move(message));  // under the lock: see forget_watched()
  }
  by->release();
}

// Under the lock.
watcher* cell::take_watched(extras& e, std::uint64_t id) noexcept {
  const auto found = std::ranges::find(e.watching, id, &watched::id);
  if (found == e.watching.end()) return nullptr;
  watcher* const by = found->by;
  e.watching.erase(found);
  return by;
}

// Afterwards no `down` comes any more, though some may be in the mailbox.
void cell::forget_watched() noexcept {
  extras& e = *extras_or_null();
  std::vector<watched> all;
  {
    const std::lock_guard hold_lock(e.lock);
    all.swap(e.watching);
  }
  for (const watched& w : all) {
    if (const local_target_ptr other = home_.table.find(w.id)) other->unwatch(*w.by);
    w.by->release();
  }
}

}  // namespace tandem::actors::detail
