// CAF's clock on the runtime's timers.
#pragma once
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>

#include <caf/all.hpp>

#include <tandem/runtime/detail/worker.hpp>

namespace tandem::actors::detail {

/// Time-outs and delayed messages of CAF's actors.
///
/// CAF asks for cancel_timeouts() when any actor ends, and never cancels the time-out of a request that was answered:
/// so finding out that an actor has no time-outs must be cheap, and a million of them must do no harm.
///
/// (L1) A time-out is in its shard's map until somebody takes it out under the shard's lock: its job, which delivers
///      it, or a canceller.
/// (L2) Once the timer has fired, its job will run, and frees it. Lock order: shard, then the timer's heap.
class clock final : public caf::actor_clock {
 public:
  explicit clock(tandem::detail::scheduler& core) noexcept : core_(core) {}
  ~clock() override { clock::cancel_all(); }

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
  void cancel_all() override;

 private:
  struct timeout;
  struct shard {
    std::mutex lock;
    std::unordered_multimap<caf::actor_id, timeout*> pending;  // guarded by lock; delayed messages have id 0
    std::atomic<std::size_t> size{0};  // of `pending`, written under the lock; the owner of an actor sees its own adds
  };
  [[nodiscard]] shard& shard_of(caf::actor_id id) noexcept { return shards_[id % shards_.size()]; }

  void add(time_point when, std::unique_ptr<timeout> what);
  template <class Predicate>
  void cancel_if(shard& s, caf::actor_id id, Predicate matches);
  [[nodiscard]] static std::unique_ptr<timeout> withdraw(timeout* what) noexcept;
  void fired(timeout& what) noexcept;

  tandem::detail::scheduler& core_;
  std::array<shard, 32> shards_;
};

}  // namespace tandem::actors::detail
