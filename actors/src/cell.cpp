#include "cell.hpp"

#include <memory>
#include <mutex>
#include <utility>

#include "cell_block.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {

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

void cell::supervise(std::shared_ptr<overseer> by) { more().supervisor = std::move(by); }
void cell::run_under(context base) { more().base = std::move(base); }

bool cell::is_supervised() const noexcept {
  const extras* const e = extras_or_null();
  return e && e->supervisor;
}

actors::system& cell::home() const noexcept { return home_.self; }

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

void cell::stay_no_longer() noexcept {
  // Release: who falls asleep sees that there is none only after what this one did.
  if (extras_or_null()->stays.fetch_sub(1, std::memory_order_release) == 1) look_whether_reached(false);
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

inline void cell::tell_gate(envelope& message) noexcept {
  if (mailbox_.is_gated()) [[unlikely]] home_.options.gate->queued(*this, message);
}

bool cell::let_in(const envelope* message) noexcept {
  const mailbox::posted now = mailbox_.let_in(message);
  if (now == mailbox::posted::wake) schedule(home_.about_now());
  return now != mailbox::posted::closed;
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

}  // namespace tandem::actors::detail
