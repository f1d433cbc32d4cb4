// CAF's actor system, hosted on a tandem scheduler.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <typeindex>
#include <unordered_map>
#include <vector>

#include <caf/all.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/detail/worker.hpp>

#include "clock.hpp"

namespace tandem::actors::detail {

/// Waits for `what` on the calling thread, which is no worker; on a simulated scheduler, runs that until `what` is
/// ready or nothing is left to run.
void run_until_done(tandem::detail::scheduler& core, bool simulated, tandem::detail::completion_base& what) noexcept;

/// The module CAF takes for its scheduler: runs CAF's resumables as foreign items of the tandem scheduler.
///
/// (H1) The resumables that were enqueued and have not come to rest are counted, and until stop() one more. From zero
///      the count never leaves: whoever reaches it completes drained_. What is enqueued later is cleaned up at once.
/// (H2) CAF adds a reference before enqueue(); it is released when the resumable comes to rest.
/// (H3) Until stop() each worker keeps a balance of its own, the other threads count in pending_, and nobody looks for
///      zero. Then stop() says so in closing_, waits until no worker is in the middle of its balance, and adds all of
///      them to pending_, which alone counts from then on. A worker says that it is in the middle, then looks at
///      closing_; stop() sets that, then looks who is in the middle: with a fence each in between, which for the
///      workers costs nothing, one of the two sees the other.
class host final : public caf::scheduler::abstract_coordinator {
 public:
  host(caf::actor_system& system, tandem::detail::scheduler& core, bool simulated);
  ~host() override;

  /// What CAF does with stop(), but before its system waits for some of its own actors, which somebody must run then.
  /// What is enqueued from now on is cleaned up on the spot, and the scheduler may end.
  void close() { stop(); }
  void enqueue(caf::resumable* what) override;
  caf::actor_clock& clock() noexcept override { return clock_; }

 protected:
  void init(caf::actor_system_config& config) override;
  void start() override;
  void stop() override;

 private:
  /// What CAF hands to a running actor as its worker. An actor keeps the pointer and may pass it to children that run
  /// elsewhere, so exec_later() makes no assumption about the calling thread.
  class unit final : public caf::execution_unit {
   public:
    explicit unit(host& h) : caf::execution_unit(&h.system()), host_(h) {}
    void exec_later(caf::resumable* what) override { host_.enqueue(what); }

   private:
    host& host_;
  };

  static bool run_foreign(void*, tandem::detail::queue_item item, unsigned worker_index) noexcept;
  static void discard_foreign(void*, tandem::detail::queue_item item) noexcept;
  static host* home_of(caf::resumable& what) noexcept;
  bool run(caf::resumable& what, unsigned worker_index) noexcept;
  void at_rest(caf::resumable& what) noexcept;
  void discard(caf::resumable& what) noexcept;
  void end_groups();
  void end_printer();

  struct alignas(64) balance {
    std::atomic<std::int64_t> count{0};  // written by the worker: what it enqueued, less what came to rest with it
    std::atomic<bool> being_changed{false};
  };
  [[nodiscard]] bool count_here(std::int64_t change) noexcept;
  [[nodiscard]] bool one_more() noexcept;
  [[nodiscard]] bool one_more_pending() noexcept;
  void one_less() noexcept;
  void one_less_pending() noexcept;
  void close_balances() noexcept;

  tandem::detail::scheduler& core_;
  const bool simulated_;
  detail::clock clock_;
  std::vector<std::unique_ptr<unit>> units_;  // one per worker; constant after construction
  std::vector<balance> balances_;             // likewise
  std::atomic<bool> closing_{false};          // H3
  std::atomic<std::int64_t> pending_{1};      // H1, H3
  std::atomic<bool> discarding_{false};       // what is run is cleaned up instead
  bool stopped_ = false;                      // stop() was called
  tandem::detail::completion<void>* const drained_ = new tandem::detail::completion<void>;
};

/// The actor system and what it was configured with.
///
/// (H4) CAF's destructor waits until the logger is gone, which each thread keeps that spawned an actor, for itself and
///      until it ends or runs actors of another system; and until the threads of detached actors have ended, which they
///      do when the last handle goes. A system that would wait is closed and kept, until one that begins or ends later
///      finds that it would not wait any more.
class hosted_caf {
 public:
  hosted_caf(tandem::detail::scheduler& core, bool simulated);
  ~hosted_caf();

  [[nodiscard]] caf::actor_system& system() noexcept { return *world_->system; }
  /// Actors, ours included, that have not ended. Those that nothing but an answered request keeps alive end now.
  [[nodiscard]] std::size_t running() noexcept;

  /// Makes a CAF message of a value that is moved from; null if the type was not exposed.
  using wrapper = caf::message (*)(void* value);
  [[nodiscard]] wrapper wrapper_of(const std::type_info& type) const;
  void expose(std::type_index type, wrapper how);

 private:
  struct world {
    caf::actor_system_config config;
    std::optional<caf::actor_system> system;
    [[nodiscard]] bool can_end() noexcept;
  };
  struct kept_worlds;
  static void keep(std::unique_ptr<world> what);
  static void end_kept();

  std::unique_ptr<world> world_ = std::make_unique<world>();
  mutable std::mutex wrappers_lock_;
  std::unordered_map<std::type_index, wrapper> wrappers_;  // guarded by wrappers_lock_
};

/// The actor behind aout(): writes whole lines, to stdout or where CAF's actor_ostream::redirect() says. It ends when
/// it is sent end_of_text(), which unlike an exit message overtakes no text.
[[nodiscard]] caf::actor spawn_printer(caf::actor_system& system);
[[nodiscard]] inline caf::close_atom end_of_text() { return caf::close_atom::value; }

}  // namespace tandem::actors::detail
