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
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/task.hpp>

#include "arrangements.hpp"
#include "mailbox.hpp"
#include "overseer.hpp"
#include "reentrance.hpp"

namespace tandem::actors::detail {

class cell;

/// An actor as CAF sees it; see face.hpp. Made when somebody asks for it, and from then on a part of the actor.
class cell_face {
 public:
  /// While the cell is held by anything but the face, it holds the face.
  virtual void pin() noexcept = 0;
  virtual void unpin() noexcept = 0;
  /// A pin, unless CAF has begun to destroy the face. Threads: any, while the cell is in the system's table.
  [[nodiscard]] virtual bool try_pin() noexcept = 0;
  /// True if CAF has no handle, at some moment of the call.
  [[nodiscard]] virtual bool only_pinned() noexcept = 0;
  /// The actor has ended. No reason: by itself.
  virtual void ended(const error& reason, bool unreachable) noexcept = 0;

 protected:
  ~cell_face() = default;
};

/// An actor is idle, or has a turn: queued, running, or suspended inside a handler. There is one turn at a time (M1).
///
/// (C1) holds_ counts who keeps the cell: its refs, all together, for one (T1); a turn; its children, errands and
///      timers; a supervisor that has stopped it. The cell is destroyed with the last hold; if it has a face, that is unpinned then, and takes the
///      cell along when CAF has let go of it too. The last ref going away starts a turn, so that an end of an actor
///      happens on a worker.
/// (C2) The fields below "the turn's" belong to the turn. A handler that suspends hands them to whoever resumes it:
///      after resume() says so, and after falling idle, pausing or yielding, the turn touches nothing of the cell.
/// (C3) reason_ is written before the mailbox is closed and constant after; senders read it after they saw it closed.
/// (C4) contexts_ is made by the turn, under context_lock_, and interrupted_ is written under it: so whoever wants to
///      interrupt finds the context, or the turn finds that it is to be interrupted.
/// (C5) A life ends in steps: children and errands are told to end, and when the last has ended the object is destroyed;
///      then the actor ends, or pauses for its supervisor.
/// (C6) If the body is one coroutine, that is the handler of one turn, which lasts as long as the life: its hold is taken
///      by start() or restart(), and scheduling needs none. It receives messages itself: see inbox_core.
/// (C7) The handlers of a reentrant actor that wait are activations, each with a hold. They run in the turn as well, but
///      one that is suspended has the turn go on: C2 is then true of what belongs to the activation.
class cell final : public local_target, public tandem::detail::pooled {
 public:
  /// `id`: of the system's table.
  cell(system_impl& home, std::uint64_t id, spawn_actor_options options, const actor_kind& kind);

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

  // C1
  void hold() noexcept;
  void unhold() noexcept;
  /// unhold(), but if it may be the last, in a turn.
  void let_go() noexcept;
  /// A hold, unless the cell is being destroyed. Threads: any that keeps the cell in the system's table meanwhile.
  [[nodiscard]] bool try_hold() noexcept;
  /// Whoever has a hold or ref: the face there is, or `made`, which is then the cell's.
  [[nodiscard]] cell_face* adopt_face(cell_face* made) noexcept;
  [[nodiscard]] cell_face* face() const noexcept { return face_.load(std::memory_order_acquire); }
  /// By the face, when CAF has let go of it and nothing else holds the cell, which ends now.
  void last_handle_gone() noexcept;

  // target
  [[nodiscard]] std::uint64_t id() const noexcept override { return id_; }
  [[nodiscard]] std::string target_name() const override { return std::string(given_name()); }
  [[nodiscard]] const protocol_info& protocol() const noexcept override { return kind_.protocol(); }
  [[nodiscard]] std::size_t depth() const noexcept override { return mailbox_.depth(); }
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

  /// A message of one who cannot wait.
  void post_from_stranger(envelope_ptr message) noexcept { deliver(std::move(message), mailbox::admission::or_refuse); }
  [[nodiscard]] std::string_view given_name() const noexcept;

  // Supervision. The supervisor has a ref.
  /// Before start().
  void supervise(std::shared_ptr<overseer> by);
  /// Ends this life: interrupts the handler if `interrupt`. The overseer is told when the object is gone.
  void halt(error reason, bool interrupt) noexcept;
  /// After stopped(), not for good: a new life with the same id, refs and watchers. `keep_mail`: messages that came
  /// meanwhile, or were there before, are handled; otherwise they are dead letters, and askers get errc::unavailable.
  /// False: it has been ended meanwhile, which the overseer is told.
  [[nodiscard]] bool restart(std::unique_ptr<actor_body> body, bool keep_mail) noexcept;
  /// Likewise, instead of restart(): the constructor of the new object threw. It is paused as before.
  void not_restarted() noexcept;
  /// Likewise: ends it for good.
  void end(error reason) noexcept;

  // For actor_context. Threads: any, while the actor's object lives.
  result<void> watch_from_here(target& whom);
  bool unwatch_from_here(const target& whom) noexcept;
  /// True if this end was waited for, which it is no more.
  [[nodiscard]] bool expects(const down& what) noexcept;
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

  /// Of a reentrant actor, on a worker: resumes `a` in the turn there is, or in one that begins here (C7).
  void resume_in_turn(activation& a) noexcept;

  /// By the system, before it looks whether the actor has ended: names have to be taken out then.
  void has_names() noexcept { named_.store(true, std::memory_order_relaxed); }  // the mailbox's lock orders it

 private:
  friend class inbox_core;

  struct record final : tandem::detail::task_record {
    explicit record(cell& c);
    ~record() override = default;
    void run() noexcept override;
    [[nodiscard]] const char* name() const noexcept override { return self.label(); }
    [[nodiscard]] bool is_spawned() const noexcept override { return false; }
    [[nodiscard]] void* place() noexcept override { return nullptr; }  // nobody joins a handler
    cell& self;
  };
  struct watched {
    std::uint64_t id;
    watcher* by;  // a share
  };
  // What few actors have.
  struct extras {
    std::string name;
    watcher_list watchers;
    std::shared_ptr<overseer> supervisor;  // constant after start()
    std::mutex lock;
    // Guarded by lock.
    std::vector<watched> watching;
    bool childless_for_good = false;
    std::size_t children = 0;
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
  // Of an actor with handlers that are coroutines.
  struct contexts : tandem::detail::pooled {
    explicit contexts(const context& parent) : own(parent) {}
    cancel_source own;
    std::optional<cancel_source> of_message;
    tandem::detail::scope_link membership;  // of record_
  };
  enum class turn_end { suspended, yielded, idle, over };

  ~cell() override;
  void first_ref() noexcept override { hold(); }
  void last_ref_gone() noexcept override;
  void destroy() noexcept;
  void schedule() noexcept;
  void begin_turn() noexcept;
  void begin_life() noexcept;
  [[nodiscard]] bool is_out_of_reach() const noexcept;
  void deliver(envelope_ptr message, mailbox::admission how) noexcept;
  void refused(envelope& message) noexcept;
  [[nodiscard]] error ended_error() const noexcept;
  [[nodiscard]] extras& more();
  [[nodiscard]] extras* extras_or_null() const noexcept { return extras_.load(std::memory_order_acquire); }
  void interrupt(const error& reason) noexcept;
  void turn() noexcept;
  turn_end run_turn() noexcept;
  turn_end run_function() noexcept;
  turn_end run_reentrant() noexcept;
  void drain(reentrance& re) noexcept;
  void begin_activation(time_point deadline) noexcept;
  void resume(activation& a) noexcept;
  static tandem::detail::after_end activation_ended(tandem::detail::promise_base& handler) noexcept;
  [[nodiscard]] bool is_reentrant() const noexcept { return kind_.handlers_at_once > 1; }
  bool begin_handler(time_point deadline) noexcept;
  static tandem::detail::after_end handler_ended(tandem::detail::promise_base& handler) noexcept;
  bool handle_next(envelope_ptr message) noexcept;
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
  void enter_context(time_point deadline);
  void set_live(bool live) noexcept;
  [[nodiscard]] error reason_to_stop() noexcept;
  turn_end stop_life() noexcept;
  [[nodiscard]] static std::vector<cell*> held_children(extras& e) noexcept;
  [[nodiscard]] bool stop_children() noexcept;
  void child_gone() noexcept;
  void leave_parent() noexcept;
  void end_life() noexcept;
  void drop(envelope_list&& messages, const error& why) noexcept;
  [[nodiscard]] watcher* take_watched(std::uint64_t id) noexcept;
  void forget_watched() noexcept;
  void finish(const error& reason, bool unreachable) noexcept;

  system_impl& home_;
  const actor_kind& kind_;
  const std::uint64_t id_;
  std::atomic<std::uint32_t> holds_{1};  // C1; the first is that of whoever makes it
  // Its own object, as it must be where all tasks are.
  const std::unique_ptr<record> record_;
  std::atomic<cell_face*> face_{nullptr};
  std::atomic<extras*> extras_{nullptr};
  mailbox mailbox_;
  error reason_;  // C3
  actor_context context_object_;

  tandem::detail::spin_lock context_lock_;
  // In the runtime's table of live tasks: while a handler may suspend. Relaxed: read by reports, of some moment, as are
  // the two below.
  std::atomic<bool> live_{false};
  std::atomic<const signature_info*> handling_what_{nullptr};
  std::atomic<coarse_time> since_{};  // the turn, or the handler that suspends, goes on
  std::atomic<coarse_time> oldest_taken_{};
  std::atomic<bool> named_{false};

  // The turn's (C2).
  bool launched_ = false;
  bool handling_ = false;
  bool stopping_ = false;  // the children are ending
  bool ended_ = false;
  bool interrupted_ = false;           // C4
  std::uint32_t taken_ = 0;
  std::unique_ptr<contexts> contexts_;  // C4
  std::unique_ptr<actor_body> body_;
  running_handler running_;
  mail mail_;
  error failure_;
};

}  // namespace tandem::actors::detail
