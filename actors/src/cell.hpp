// cell: an actor, whatever its class. It is where its refs point, and it runs its handlers.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tandem/actors/actor_context.hpp>
#include <tandem/actors/actor_info.hpp>
#include <tandem/actors/detail/body.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/context_watch.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/task.hpp>

#include "arrangements.hpp"
#include "mailbox.hpp"
#include "overseer.hpp"
#include "reentrance.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {

class cell;

/// An actor as CAF sees it; see face.hpp. Made when somebody asks for it.
class cell_face {
 public:
  /// A share of it, which keeps it; false if CAF has begun to destroy it.
  [[nodiscard]] virtual bool try_pin() noexcept = 0;
  virtual void unpin() noexcept = 0;
  /// The actor has ended. No reason: by itself.
  virtual void ended(const error& reason, bool unreachable) noexcept = 0;

 protected:
  ~cell_face() = default;
};

/// An actor is idle, or has a turn: queued, running, or suspended inside a handler. There is one turn at a time (M1).
///
/// (C1) holds_ counts who keeps the cell in memory: its life; its refs, all together, for one (T1); its children and
///      errands; what tells it of ends that it watches for; its face. A life that is idle and can be reached by nobody
///      ends: it has no refs, no children or errands, no reason to stay (a timer, a handler that waits), and no face
///      (C6). All of them look into the mailbox after they are gone, and the turn looks for them when it falls asleep,
///      under the mailbox's lock; so an actor always ends in a turn, on a worker.
/// (C2) The fields below "the turn's" belong to the turn. A handler that suspends hands them to whoever resumes it:
///      after resume() says so, and after falling idle, pausing or yielding, the turn touches nothing of the cell.
/// (C3) reason_ is written before the mailbox is closed and constant after; senders read it after they saw it closed.
/// (C4) contexts_ is made by the turn, under side_lock_, and interrupted_ is written under it: so whoever wants to
///      interrupt finds the context, or the turn finds that it is to be interrupted. A request that interrupts is
///      posted under that lock as well, and begin_again() forgets both together: neither is meant for another life.
/// (C5) A life ends in steps: children and errands are told to end, and when the last has ended the object is
///      destroyed; then the actor ends, or pauses for its supervisor.
/// (C6) The refs, all together, pin the face, so it goes when CAF has no handle and there is no ref; it leaves the cell
///      then. face_ and face_pinned_ are guarded by side_lock_; that there is none may be seen without.
/// (C8) Most actors end without extras. Whoever makes them then, to be told of the end or to be a child, comes too
///      late, and must see that: it makes them and then looks at a too_late_; the end stores that and then looks for extras.
///      All four are seq_cst, so one of the two sees the other.
/// (C7) If the body is one coroutine, that is the handler of one turn, which lasts as long as the life. It receives
///      messages itself: see inbox_core.
/// (C9) The handlers of a reentrant actor that wait are activations. They run in the turn as well, but one that is
///      suspended has the turn go on: C2 is then true of what belongs to the activation.
class cell final : public local_target {
 public:
  /// One that is held by the caller. `id`: of the system's table.   Errors: throws std::bad_alloc.
  [[nodiscard]] static cell& make(system_impl& home, std::uint64_t id, spawn_actor_options options,
                                  const actor_kind& kind);

  [[nodiscard]] actor_context& context_object() noexcept { return context_object_; }
  [[nodiscard]] system_impl& impl() noexcept { return home_; }
  void start(std::unique_ptr<actor_body> body) noexcept;
  /// Instead of start(): there will be no body.
  void abandon() noexcept;
  /// True once nothing is taken any more.
  [[nodiscard]] bool has_ended() noexcept { return mailbox_.is_closed(); }
  /// The reason of the end (C3). After has_ended().
  [[nodiscard]] const error& end_reason() const noexcept { return reason_; }
  /// See task_source::list(). Threads: any that keeps the cell in the system's table meanwhile.
  void list(tandem::detail::census_taker& out, tandem::detail::census_of whom) noexcept;
  /// Likewise.
  [[nodiscard]] actor_info describe();
  /// Its name, or else its class's.
  [[nodiscard]] const char* label() const noexcept;

  // C1. Who adds a hold has a ref or a hold, or keeps the cell in the system's table.
  void hold() noexcept { holds_.fetch_add(1, std::memory_order_relaxed); }
  void unhold() noexcept {
    // Release orders this party's accesses before the end; acquire lets the last one see them all.
    if (holds_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

  // C6. By who has a ref. The face that there is, with a pin for the caller, or null.
  [[nodiscard]] cell_face* pinned_face() noexcept;
  /// The same; if there is none, `made` is it, and the refs take over the pin that it comes with.
  [[nodiscard]] cell_face* adopt_face(cell_face& made) noexcept;
  /// By the face, when CAF has let go of it.
  void face_gone(const cell_face& which) noexcept;

  // target
  [[nodiscard]] std::uint64_t id() const noexcept override { return id_; }
  [[nodiscard]] std::string target_name() const override { return std::string(given_name()); }
  [[nodiscard]] const protocol_info& protocol() const noexcept override { return kind_.protocol(); }
  [[nodiscard]] std::size_t depth() const noexcept override;
  [[nodiscard]] delivery try_deliver(envelope_ptr& message, error& why) noexcept override;
  [[nodiscard]] room_waiter::phase wait_for_room(room_waiter& w) noexcept override;
  [[nodiscard]] bool cancel_wait(room_waiter& w) noexcept override { return mailbox_.cancel(w); }
  bool watch(watcher& w) noexcept override;
  bool unwatch(watcher& w) noexcept override;
  void report_dead_letter(const envelope& message, const error& why) noexcept override;

  // local_target
  [[nodiscard]] bool accepts(std::uint32_t type_hash) const noexcept override { return kind_.accepts(type_hash); }
  void deliver_bytes(incoming message) noexcept override;
  void post(envelope_ptr message) noexcept override { deliver(std::move(message), mailbox::admission::in_any_case); }
  void request_exit(error reason, bool interrupt, bool for_good) noexcept override;
  [[nodiscard]] actors::system& home() const noexcept override;
  [[nodiscard]] std::uint32_t system_number() const noexcept override { return system_number_; }

  /// A message of one who cannot wait.
  void post_from_stranger(envelope_ptr message) noexcept { deliver(std::move(message), mailbox::admission::or_refuse); }
  [[nodiscard]] std::string_view given_name() const noexcept;

  // See delivery_gate.hpp.
  [[nodiscard]] held_at find_held(const envelope* message) noexcept { return mailbox_.find_held(message); }
  bool let_in(const envelope* message) noexcept;
  [[nodiscard]] envelope_ptr take_out(const envelope* message) noexcept { return mailbox_.take_from_gate(message); }

  // Supervision. The supervisor has a ref.
  /// Before start().
  void supervise(std::shared_ptr<overseer> by);
  /// Before start(), or between begin_again() and restart(), if it is supervised: what handlers run under instead of
  /// the system's context, whose end is no concern of theirs then.
  void run_under(context base);
  /// True if the end of the system is brought to it by a supervisor.
  [[nodiscard]] bool is_supervised() const noexcept;
  /// Ends this life: interrupts the handler if `interrupt`. The overseer is told when the object is gone.
  void halt(error reason, bool interrupt) noexcept;
  /// After stopped(), not for good: from here to restart() or wait_again() the caller is its turn, and constructs a new
  /// object, which a request to end does not interfere with. False: it has been ended meanwhile, which the overseer is
  /// told.
  [[nodiscard]] bool begin_again() noexcept;
  /// Instead of start() or restart(): the constructor of the new object threw. What that arranged is undone, and children
  /// that it spawned are told to end.
  void undo_construction() noexcept;
  /// After that, of a life that is not the first: it is as it was before begin_again().
  void wait_again() noexcept;
  /// A new life with the same id, refs and watchers. `keep_mail`: messages that came meanwhile, or were there before,
  /// are handled; otherwise they are dead letters, and askers get errc::unavailable.
  void restart(std::unique_ptr<actor_body> body, bool keep_mail) noexcept;
  /// After stopped(), not for good: ends it for good.
  void end(error reason) noexcept;

  // For actor_context. Threads: any, while the actor's object lives.
  result<void> watch_from_here(target& whom);
  bool unwatch_from_here(const target& whom) noexcept;
  /// Sends it the `down` if this end was waited for, which it is no more. By who has a hold.
  void tell_down(const down& what) noexcept;
  /// A parent that is about to have a child: false if it is ending.
  [[nodiscard]] bool add_child(cell& child) noexcept;

  // For actor_context, and only for the constructor and the handlers: see arrangements.cpp.
  // Errors: throw std::logic_error when called by anybody else, and std::bad_alloc.
  own_timer& start_timer(own_timer& made, time_point when);
  [[nodiscard]] time_point clock_now() const noexcept;
  void set_idle_timeout(duration after);
  [[nodiscard]] bool has_stash_room();
  void stash(envelope_ptr message);
  std::size_t unstash();
  void become(std::unique_ptr<actor_body> successor, const actor_kind& kind);
  /// What its errands run under: over when the running handlers are to be interrupted, and when the life ends.
  [[nodiscard]] context own_context();
  [[nodiscard]] own_life& life() { return *arrange("pipe_to_self()").life; }
  [[nodiscard]] errand begin_errand();
  void errand_over() noexcept;
  /// A reason more, or one less, not to end when nobody can reach the actor (C1). The latter by who has a hold.
  void stay() noexcept { more().stays.fetch_add(1, std::memory_order_relaxed); }  // by who reaches the actor
  void stay_no_longer() noexcept;

  /// Of a reentrant actor, on a worker: resumes `a` in the turn there is, or in one that begins here (C9).
  void resume_in_turn(activation& a) noexcept;

  /// By the system, before it looks whether the actor has ended: names have to be taken out then.
  void has_names() noexcept { named_.store(true, std::memory_order_relaxed); }  // the mailbox's lock orders it

 private:
  friend class inbox_core;

  struct block;
  struct watched {
    std::uint64_t id;
    watcher* by;  // a share
  };
  // What few actors have.
  struct extras {
    std::string name;
    watcher_list watchers;
    std::shared_ptr<overseer> supervisor;  // constant after start()
    context base;                          // the turn's (C2), or the supervisor's while there is none
    std::mutex lock;
    // Guarded by lock.
    std::vector<watched> watching;
    bool childless_for_good = false;
    std::atomic<std::size_t> children{0};  // read without the lock by who falls asleep
    std::atomic<std::size_t> stays{0};  // reasons to, besides (C1)
    cell* first_child = nullptr;
    std::uint64_t parent_id = 0;  // constant after add_child()
    // Guarded by the parent's lock. The parent is held (C1).
    cell* parent = nullptr;
    cell* previous_sibling = nullptr;
    cell* next_sibling = nullptr;
    std::unique_ptr<arrangements> own;  // the turn's (C2)
    std::unique_ptr<reentrance> reentry;  // constant
    // For reports.
    std::atomic<std::uint32_t> restarts{0};
    std::atomic<std::uint32_t> stashed{0};
    std::atomic<const actor_kind*> became{nullptr};
  };
  // Of an actor that has waited, had a message with a deadline, or asked for its context. The first of a life are given
  // up when it has no more to do, if nobody else uses them; who needs some again keeps them, as it may each time.
  struct contexts : tandem::detail::pooled {
    explicit contexts(const context& parent) : own(parent) {}
    cancel_source own;
    std::optional<cancel_source> of_message;
    tandem::detail::scope_link membership;  // of record_
    virtual ~contexts() = default;
  };
  // The contexts of a body that is one coroutine. It is told of the end of its own, so that receiving under it needs no
  // place in that context's list.
  struct watched_contexts final : contexts, tandem::detail::context_watch {
    watched_contexts(const context& parent, cell& c);
    ~watched_contexts() override;
    cell& whose;
    std::atomic<bool> over{false};
  };

  cell(tandem::detail::task_record& record, system_impl& home, std::uint64_t id, spawn_actor_options options,
       const actor_kind& kind);
  ~cell() override;
  void destroy() noexcept;
  void first_ref() noexcept override;
  void last_ref_gone() noexcept override;
  void pin_face_for_refs() noexcept;
  void schedule() noexcept { submit(home_.core, item_of(record_)); }
  void schedule(coarse_time at) noexcept {
    since_.store(at, std::memory_order_relaxed);
    schedule();
  }
  void tell_gate(envelope& message) noexcept;
  void look_whether_reached(bool paused_too) noexcept;
  void end_with_the_system() noexcept;
  void begin_life() noexcept;
  [[nodiscard]] bool is_out_of_reach() const noexcept;
  void deliver(envelope_ptr message, mailbox::admission how) noexcept;
  void refused(envelope& message) noexcept;
  [[nodiscard]] error ended_error() const noexcept;
  [[nodiscard]] extras& more();
  [[nodiscard]] extras* extras_unless_late(std::atomic<bool>& late) noexcept;
  [[nodiscard]] extras* extras_or_null() const noexcept { return extras_.load(std::memory_order_acquire); }
  void ask_to_stop(stop what, error reason, bool interrupt) noexcept;
  /// `reason`, or that it was told to end.
  [[nodiscard]] static error told_to_end(error reason);
  void turn() noexcept;
  void run_turn() noexcept;
  void run_function() noexcept;
  void run_reentrant() noexcept;
  void drain(reentrance& re) noexcept;
  void begin_activation(time_point deadline) noexcept;
  void resume(activation& a) noexcept;
  [[nodiscard]] bool is_reentrant() const noexcept { return kind_.handlers_at_once > 1; }
  void begin_handler(time_point deadline) noexcept;
  bool handle_next(envelope_ptr message) noexcept;
  bool run_handler() noexcept;
  bool resume_handler() noexcept;
  [[nodiscard]] bool open(envelope_ptr& message) noexcept;
  [[nodiscard]] arrangements& arrange(const char* what);
  void handled(arrangements& own) noexcept;
  void handled() noexcept {
    if (extras* const e = extras_or_null(); e && e->own) [[unlikely]] handled(*e->own);
  }
  void take_from_stash(arrangements& own) noexcept;
  void end_arrangements() noexcept;
  [[nodiscard]] const actor_kind& kind_now() const noexcept;
  void make_contexts();
  void shed_contexts() noexcept;
  [[nodiscard]] std::unique_ptr<contexts> take_contexts() noexcept;
  void enter_own_context();
  std::uint32_t count_taken() noexcept {
    const std::uint32_t now = taken_.load(std::memory_order_relaxed) + 1;
    taken_.store(now, std::memory_order_relaxed);
    return now;
  }
  [[nodiscard]] std::uint32_t forget_taken() noexcept {
    const std::uint32_t taken = taken_.load(std::memory_order_relaxed);
    taken_.store(0, std::memory_order_relaxed);
    return taken;
  }
  void enter_context(time_point deadline);
  void set_live(bool live) noexcept;
  [[nodiscard]] error reason_to_stop() noexcept;
  void stop_life() noexcept;
  [[nodiscard]] static std::vector<cell*> held_children(extras& e) noexcept;
  // For senders: a ref may outlive the system, and must find out without that.
  [[nodiscard]] coarse_time about_now() const noexcept { return system_impl::about_now(*record_.owner, simulated_); }
  [[nodiscard]] bool stop_children() noexcept;
  void end_children(const error& why) noexcept;
  void leave_parent() noexcept;
  void is_childless(bool for_good) noexcept;
  void drop(envelope_list&& messages, const error& why) noexcept;
  [[nodiscard]] static watcher* take_watched(extras& e, std::uint64_t id) noexcept;
  void forget_signals() noexcept;
  void forget_watched() noexcept;
  [[nodiscard]] bool was_told_to_end(const error& reason) const noexcept;
  void finish(const error& reason, bool unreachable) noexcept;

  system_impl& home_;
  const actor_kind& kind_;
  const std::uint64_t id_;
  std::atomic<std::uint32_t> holds_{1};  // C1; the first is that of whoever makes it, and then of its life
  tandem::detail::task_record& record_;  // next to the cell, in its block
  std::atomic<cell_face*> face_{nullptr};  // C6
  std::atomic<extras*> extras_{nullptr};
  mailbox mailbox_;
  error reason_;  // C3
  actor_context context_object_;

  tandem::detail::spin_lock side_lock_;
  bool face_pinned_ = false;
  const bool simulated_;
  // In the runtime's table of live tasks: while a handler may suspend. Relaxed: read by reports, of some moment, as are
  // the two below.
  std::atomic<bool> live_{false};
  const std::uint32_t system_number_;  // see living_system
  std::atomic<const signature_info*> handling_what_{nullptr};
  std::atomic<coarse_time> since_{};  // the turn, or the handler that suspends, goes on
  std::atomic<coarse_time> oldest_taken_{};
  std::atomic<std::uint32_t> taken_{0};  // not reported to the mailbox, which counts them still; written by the turn
  std::atomic<bool> named_{false};
  std::atomic<bool> stopping_{false};  // the children are ending; written by the turn
  std::atomic<bool> too_late_to_watch_{false};      // C8
  std::atomic<bool> too_late_for_children_{false};  // C8

  // The turn's (C2).
  bool constructing_ = true;
  bool handling_ = false;
  bool ended_ = false;
  bool interrupted_ = false;            // C4
  bool keeps_contexts_ = false;         // not the first of this life
  std::unique_ptr<contexts> contexts_;  // C4
  std::unique_ptr<actor_body> body_;
  running_handler running_;
  error failure_;
};

}  // namespace tandem::actors::detail
