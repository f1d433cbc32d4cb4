// CAF's clock on the runtime's timers.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include <caf/all.hpp>

#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/worker.hpp>

namespace tandem::actors::detail {

/// Time-outs and delayed messages of CAF's actors.
///
/// CAF tells the clock of every actor that ends, moves a receive time-out with every message, and never cancels the
/// time-out of a request that was answered. So it must cost little to find out that an actor has no time-outs, an actor
/// has one timer whatever it waits for, and time-outs that are of no use any more are found and dropped.
///
/// (L1) An actor's alarms are in the map of its shard until somebody takes them out under the shard's lock: the job of
///      their timer, which finds them empty, or a canceller.
/// (L2) A bell's timer is armed for the earliest time its owner has, or earlier: its job looks for what is due,
///      delivers that, and arms it again. Lock order: shard, then the timer's heap.
/// (L3) A timer that has fired is followed by its job. Whoever takes alarms out in between leaves them to the job,
///      which frees them; cancel_all() returns when no job is left.
/// (L4) What is due at the same time is delivered in the order in which it was asked for, for each receiver.
class clock final : public caf::actor_clock {
 public:
  explicit clock(tandem::detail::scheduler& core);
  ~clock() override;

  time_point now() const noexcept override;
  void set_ordinary_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type, uint64_t id) override;
  void set_multi_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type, uint64_t id) override;
  void set_request_timeout(time_point when, caf::abstract_actor* self, caf::message_id id) override;
  void cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) override;
  void cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) override;
  void cancel_timeouts(caf::abstract_actor* self) override;
  void schedule_message(time_point when, caf::strong_actor_ptr receiver, caf::mailbox_element_ptr content) override;
  void schedule_message(time_point when, caf::group receiver, caf::strong_actor_ptr sender,
                        caf::message content) override;
  /// Drops the time-outs of answered requests where only they keep an actor alive that sleeps: for when somebody waits
  /// for actors to end.
  void forget_answered() noexcept;
  /// Must not be called by what the clock delivers to.
  void cancel_all() override;

  /// Tells the clock that the calling thread begins with another actor, or another turn of one.
  static void begin_turn() noexcept;

 private:
  struct bell;
  struct alarms;
  struct letter;
  struct shard;
  [[nodiscard]] shard& shard_of(std::uint64_t id) noexcept { return *shards_[id % shards_.size()]; }

  // With the shard's lock held.
  void arm(bell& b, time_point when);
  [[nodiscard]] static bool disarm(bell& b) noexcept;
  [[nodiscard]] alarms& alarms_of(shard& s, caf::abstract_actor* self);
  [[nodiscard]] static alarms* find(shard& s, caf::actor_id id) noexcept;
  [[nodiscard]] static std::unique_ptr<alarms> withdraw(shard& s, alarms& a) noexcept;
  [[nodiscard]] static std::unique_ptr<alarms> withdraw_if_empty(shard& s, alarms& a) noexcept;

  void set_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type, uint64_t id, bool only_one);
  void post(std::uint64_t receiver, letter what);
  static void look_at_alarms(tandem::detail::job& j) noexcept;
  static void look_at_letters(tandem::detail::job& j) noexcept;
  void job_is_over() noexcept;

  tandem::detail::scheduler& core_;
  std::array<std::unique_ptr<shard>, 64> shards_;
  std::atomic<std::size_t> jobs_{0};  // L3: timers that have fired and whose jobs are not over
};

}  // namespace tandem::actors::detail
