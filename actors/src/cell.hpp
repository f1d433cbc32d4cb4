// cell: a tandem actor as a citizen of CAF. It is CAF's to address, monitor and link, and ours to run.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <caf/all.hpp>

#include <tandem/actors/actor_context.hpp>
#include <tandem/actors/detail/body.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/task.hpp>

#include "mailbox.hpp"

namespace tandem::actors::detail {

/// An actor is idle, or has a turn: queued, running, or suspended inside a handler. There is one turn at a time (M1).
///
/// (C1) A turn holds a strong CAF reference; so do, all together, the refs (T1). An idle actor without either, and
///      without CAF handles, is destroyed at once. The last ref going away starts a turn, so that this happens on a
///      worker.
/// (C2) The fields below "the turn's" belong to the turn. A handler that suspends hands them to whoever resumes it:
///      after resume() says so, and after falling idle or yielding, the turn touches nothing of the cell.
/// (C3) ended_ is written before the mailbox is closed and constant after; senders read it after they saw it closed.
/// (C4) CAF is called without an execution unit: ours would be that of the worker a turn happened to start on.
class cell final : public caf::local_actor, public local_target {
 public:
  cell(caf::actor_config& config, system_impl& home, spawn_actor_options options, const actor_kind& kind);
  ~cell() override;

  [[nodiscard]] actor_context& context_object() noexcept { return context_object_; }
  [[nodiscard]] bool launched() const noexcept { return launched_; }
  void start(std::unique_ptr<actor_body> body) noexcept;
  /// Instead of start(): there will be no body.
  void abandon() noexcept;
  /// True once nothing is taken any more.
  [[nodiscard]] bool has_ended() noexcept { return mailbox_.is_closed(); }
  /// See task_source::list(). Threads: any that keeps the cell in the system's table meanwhile.
  void list(tandem::detail::census_taker& out, tandem::detail::census_of whom) noexcept;

  // target
  [[nodiscard]] std::uint64_t id() const noexcept override { return caf::abstract_actor::id(); }
  [[nodiscard]] std::string target_name() const override { return name_; }
  [[nodiscard]] const protocol_info& protocol() const noexcept override { return kind_.protocol(); }
  [[nodiscard]] std::size_t depth() const noexcept override { return mailbox_.depth(); }
  [[nodiscard]] delivery try_deliver(envelope_ptr& message, error& why) noexcept override;
  [[nodiscard]] room_waiter::phase wait_for_room(room_waiter& w) noexcept override;
  [[nodiscard]] bool cancel_wait(room_waiter& w) noexcept override { return mailbox_.cancel(w); }
  void report_dead_letter(const envelope& message, const error& why) noexcept override;

  // local_target
  [[nodiscard]] bool accepts(std::uint32_t type_hash) const noexcept override { return kind_.accepts(type_hash); }
  void deliver_bytes(incoming message) noexcept override;
  void request_exit(error reason, bool interrupt) noexcept override;
  [[nodiscard]] actors::system& home() const noexcept override;

  // caf::local_actor
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override;
  void launch(caf::execution_unit*, bool lazy, bool hide) override;
  void on_destroy() override;
  const char* name() const override { return record_->name(); }

  // Membership in the system's table; guarded by the bucket's lock.
  cell* table_previous = nullptr;
  cell* table_next = nullptr;
  bool in_table = false;

 private:
  struct record final : tandem::detail::task_record {
    explicit record(cell& c);
    ~record() override = default;
    void run() noexcept override;
    [[nodiscard]] const char* name() const noexcept override;
    [[nodiscard]] bool is_spawned() const noexcept override { return false; }
    [[nodiscard]] void* place() noexcept override { return nullptr; }  // nobody joins a handler
    static tandem::detail::after_end ended(tandem::detail::promise_base& handler) noexcept;
    cell& self;
  };
  enum class turn_end { suspended, yielded, idle, ended };

  void first_ref() noexcept override;
  void last_ref_gone() noexcept override;
  void schedule() noexcept;
  void post_unbounded(envelope_ptr message) noexcept;
  void turn() noexcept;
  turn_end run_turn() noexcept;
  bool handle_next() noexcept;
  bool resume_handler() noexcept;
  void set_live(bool live) noexcept;
  [[nodiscard]] error end_reason() noexcept;
  void finish(const error& reason, caf::error caf_reason) noexcept;

  system_impl& home_;
  const actor_kind& kind_;
  const std::string name_;
  // Its own object, as it must be where all tasks are.
  const std::unique_ptr<record> record_;
  tandem::detail::scope_link membership_;  // of record_, below own_context_ or message_context_
  mailbox mailbox_;
  std::optional<cancel_source> own_context_;  // set before the first turn if a handler may suspend
  error ended_;                               // C3
  actor_context context_object_;

  // The turn's (C2).
  std::unique_ptr<actor_body> body_;
  envelope_list batch_;
  std::size_t taken_ = 0;
  bool launched_ = false;
  bool handling_ = false;
  // In the runtime's table of live tasks: while a handler may suspend. Relaxed: read by reports, of some moment.
  std::atomic<bool> live_{false};
  bool ended_once_ = false;
  error failure_;
  std::optional<cancel_source> message_context_;
};

}  // namespace tandem::actors::detail
