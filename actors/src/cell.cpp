#include "cell.hpp"

#include <exception>

#include <caf/detail/sync_request_bouncer.hpp>

#include "caf_bridge.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {
namespace {

using tandem::detail::promise;

struct handler_end {
  bool finished = false;
  error failure;
};

// The resume in progress on this thread. A handler's end is seen by the resume() that led to it, which runs on the same
// thread; the cell itself may by then have been resumed, and have ended, elsewhere.
constinit thread_local handler_end* resuming = nullptr;

error describe_end(const std::string& name, const error& reason) {
  const std::string text = "actor " + name + " has ended";
  return reason ? wrap(reason, errc::unavailable, text) : make_error(errc::unavailable, text);
}

}  // namespace

cell::record::record(cell& c)
    : task_record(c.home_.core, tandem::detail::id_of_origin("actor", std::source_location::current())), self(c) {}

void cell::record::run() noexcept {
  if (goes_on()) [[likely]] self.turn();
}

const char* cell::record::name() const noexcept {
  return self.name_.empty() ? self.kind_.class_name().c_str() : self.name_.c_str();
}

tandem::detail::after_end cell::record::ended(tandem::detail::promise_base& handler) noexcept {
  const auto frame = std::coroutine_handle<promise<error>>::from_promise(static_cast<promise<error>&>(handler));
  try {
    resuming->failure = frame.promise().take();
  } catch (...) {
    resuming->failure = handler_threw(std::current_exception(), "a message");
  }
  frame.destroy();
  resuming->finished = true;
  return tandem::detail::after_end::nothing;
}

cell::cell(caf::actor_config& config, system_impl& home, spawn_actor_options options, const actor_kind& kind)
    : caf::local_actor(config),
      home_(home),
      kind_(kind),
      name_(std::move(options.name)),
      record_(new record(*this)),
      mailbox_(options.mailbox_capacity),
      context_object_(*this, name_) {
  (void)kind.class_name();  // made at the first use, and list() must not allocate
  if (kind.may_suspend) own_context_.emplace(home.context.context());
}

cell::~cell() = default;

void cell::start(std::unique_ptr<actor_body> body) noexcept {
  body_ = std::move(body);
  launched_ = true;
  if (own_context_) record_->set_context(own_context_->context().state(), membership_);
  register_at_system();
  home_.add(*this);
  if (home_.stopping.load()) (void)mailbox_.request_exit(home_.stop_reason);
  if (mailbox_.refill(batch_, 0)) schedule();
}

// Others may have got a ref from the constructor that failed, and sent to it.
void cell::abandon() noexcept {
  ended_ = make_error(errc::unavailable,
                      std::string("actor ") + record_->name() + " was never started: its constructor threw");
  envelope_list queued = mailbox_.close(ended_);
  while (!queued.empty()) undeliverable(*this, *queued.pop(), ended_);
  cleanup(caf::make_error(caf::exit_reason::unreachable), nullptr);  // a ref may outlive the system
}

void cell::launch(caf::execution_unit*, bool, bool) {}  // CAF's spawn is not used: see nascent_actor

// References (C1).

void cell::first_ref() noexcept { caf::intrusive_ptr_add_ref(ctrl()); }

void cell::last_ref_gone() noexcept {
  if (mailbox_.nudge() == mailbox::posted::wake) {
    submit(home_.core, item_of(*record_));  // the refs' reference becomes the turn's
  } else {
    caf::intrusive_ptr_release(ctrl());
  }
}

void cell::schedule() noexcept {
  caf::intrusive_ptr_add_ref(ctrl());
  submit(home_.core, item_of(*record_));
}

void cell::on_destroy() {
  if (launched_ && !ended_once_) finish({}, caf::make_error(caf::exit_reason::unreachable));
  caf::local_actor::on_destroy();
}

// Senders' side.

target::delivery cell::try_deliver(envelope_ptr& message, error& why) noexcept {
  switch (mailbox_.push(message, true)) {
    case mailbox::posted::wake:
      schedule();
      return delivery::delivered;
    case mailbox::posted::queued:
      return delivery::delivered;
    case mailbox::posted::full:
      return delivery::full;
    default:
      why = ended_;
      return delivery::failed;
  }
}

room_waiter::phase cell::wait_for_room(room_waiter& w) noexcept {
  room_waiter::phase now = room_waiter::phase::fresh;
  switch (mailbox_.wait(w, now)) {
    case mailbox::posted::closed:
      w.why = ended_;
      return now;
    case mailbox::posted::wake:
      schedule();
      return now;
    default:
      return now;
  }
}

void cell::post_unbounded(envelope_ptr message) noexcept {
  switch (mailbox_.push(message, false)) {
    case mailbox::posted::wake:
      schedule();
      return;
    case mailbox::posted::closed:
      undeliverable(*this, *message, ended_);
      return;
    default:
      return;
  }
}

void cell::deliver_bytes(incoming message) noexcept {
  post_unbounded(envelope_ptr(new incoming_envelope(std::move(message))));
}

void cell::request_exit(error reason, bool interrupt) noexcept {
  if (interrupt && own_context_)
    own_context_->cancel(reason ? reason : make_error(errc::cancelled, "the actor was told to end"));
  if (mailbox_.request_exit(std::move(reason)) == mailbox::posted::wake) schedule();
}

void cell::enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) {
  if (what->mid.is_response()) return;  // nothing here sends CAF requests
  auto& content = what->content();
  if (content.match_elements<caf::exit_msg>()) {
    const auto& exit = content.get_as<caf::exit_msg>(0);
    unlink_from(exit.source);
    if (exit.reason) request_exit(from_caf(exit.reason), true);
    return;
  }
  if (handle_system_message(*what, nullptr, true)) return;
  post_unbounded(envelope_ptr(new caf_envelope(std::move(what), caf::strong_actor_ptr(ctrl()), *home_.caf)));
}

void cell::report_dead_letter(const envelope& message, const error& why) noexcept {
  home_.report({why, id(), name_, message.type_name()});
}

actors::system& cell::home() const noexcept { return home_.self; }

void cell::list(tandem::detail::census_taker& out, tandem::detail::census_of whom) noexcept {
  static constexpr tandem::detail::wait_kind idle{"a message", nullptr};
  const tandem::detail::wait_kind* waits_for = nullptr;
  if (live_.load(std::memory_order_relaxed)) {
    waits_for = record_->waits_for.load(std::memory_order_relaxed);
  } else {
    if (whom == tandem::detail::census_of::live_tasks) return;
    if (mailbox_.is_asleep()) waits_for = &idle;
  }
  add_task(out, *record_, waits_for, kind_.class_name().c_str());
}

// The turn.

void cell::turn() noexcept {
  tandem::detail::worker_base& worker = *tandem::detail::tls_worker;
  set_running(worker, record_.get());
  const turn_end how = run_turn();
  set_running(worker, nullptr);
  // The turn's reference goes with it; for an actor that fell idle this may be the last (C1).
  if (how == turn_end::idle || how == turn_end::ended) caf::intrusive_ptr_release(ctrl());
}

cell::turn_end cell::run_turn() noexcept {
  if (handling_ && !resume_handler()) return turn_end::suspended;
  for (;;) {
    if (failure_ || mailbox_.exit_requested()) {
      const error reason = end_reason();
      finish(reason, to_caf(reason));
      return turn_end::ended;
    }
    if (batch_.empty()) {
      set_live(false);
      if (!mailbox_.refill(batch_, std::exchange(taken_, 0))) return turn_end::idle;
      continue;
    }
    if (!tandem::detail::spend_slice()) {
      yield_to_others(*record_);
      return turn_end::yielded;
    }
    if (!handle_next()) return turn_end::suspended;
  }
}

// False if a handler is suspended.
TANDEM_DETAIL_RUNS_TASKS bool cell::handle_next() noexcept {
  envelope_ptr message = batch_.pop();
  if (++taken_ >= mailbox_.report_every()) mailbox_.report(std::exchange(taken_, 0));
  const time_point deadline = message->deadline();
  if (message->expired()) {
    undeliverable(*this, *message, error_of(errc::deadline_exceeded));
    return true;
  }
  handled outcome = body_->handle(std::move(message));
  if (outcome.rejected) [[unlikely]]
    undeliverable(*this, *outcome.rejected, outcome.rejection);
  failure_ = std::move(outcome.failure);
  if (!outcome.running) return true;

  if (taken_ != 0) mailbox_.report(std::exchange(taken_, 0));
  set_live(true);
  if (deadline != no_deadline) {
    message_context_.emplace(own_context_->context(), deadline);
    record_->set_context(message_context_->context().state(), membership_);
  }
  static constexpr tandem::detail::end_hook hook{&record::ended, nullptr};
  begin_with(*record_, outcome.running, hook);
  handling_ = true;
  return resume_handler();
}

TANDEM_DETAIL_RUNS_TASKS bool cell::resume_handler() noexcept {
  handler_end end;
  resuming = &end;
  tandem::detail::resume_directly(
      std::coroutine_handle<tandem::detail::promise_base>::from_promise(*record_->innermost));
  resuming = nullptr;
  if (!end.finished) return false;  // C2
  handling_ = false;
  if (message_context_) {
    record_->set_context(own_context_->context().state(), membership_);
    message_context_.reset();
  }
  failure_ = std::move(end.failure);
  return true;
}

// Shutdown names the tasks that live; an actor counts while a handler may be suspended.
void cell::set_live(bool live) noexcept {
  if (live == live_.load(std::memory_order_relaxed)) return;
  live_.store(live, std::memory_order_relaxed);
  if (live) {
    live_.store(add_live_task(*record_), std::memory_order_relaxed);
  } else {
    remove_live_task(*record_);
  }
}

// A handler that was interrupted fails because of the request to end, not the other way round.
error cell::end_reason() noexcept {
  if (!mailbox_.exit_requested()) return failure_;
  if (failure_ && !is(failure_, errc::cancelled)) return failure_;
  return mailbox_.exit_reason();
}

void cell::finish(const error& reason, caf::error caf_reason) noexcept {
  ended_once_ = true;
  set_live(false);
  ended_ = describe_end(record_->name(), reason);
  envelope_list queued = mailbox_.close(ended_);
  // First, so that a link finds nobody and reports dead letters by itself: its threads must not run users' handlers.
  home_.remove(*this);
  body_.reset();
  for (envelope_list* list : {&batch_, &queued})
    while (!list->empty()) undeliverable(*this, *list->pop(), ended_);
  cleanup(std::move(caf_reason), nullptr);
  home_.one_less();
}

}  // namespace tandem::actors::detail
