// Threads for calls that block: started on demand up to a limit, gone after a while without work.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/time.hpp>

#include "intrusive_list.hpp"

namespace tandem::detail {

/// Threads: every member may be called from any thread.
///
/// (B1) Whoever adds or takes a call sees to it that at least as many threads are on their way as calls are queued, as
///      far as idle threads, the limit and the system allow. So a call that found no thread when it was queued gets one
///      as soon as any other begins.
/// (B2) The thread that fell idle last is called first: those that the load does not need stay idle, and leave.
class blocking_pool {
 public:
  /// A `limit` of 0 counts as 1. A thread that was idle for `idle_limit` leaves.
  explicit blocking_pool(unsigned limit, duration idle_limit = std::chrono::seconds(10));
  ~blocking_pool();
  blocking_pool(const blocking_pool&) = delete;
  blocking_pool& operator=(const blocking_pool&) = delete;

  /// Runs `work` on a thread of the pool, in order of submission. After stop() it runs at once, on the caller's. False:
  /// it was withdrawn before.
  /// Errors: throws std::bad_alloc, and std::system_error if there is no thread and none can be started.
  [[nodiscard]] bool submit(pool_job& work);

  /// True if `work` was queued: then it is out of the queue, and will not run. Before its submission: that will be
  /// refused. Otherwise it runs, or has run: nothing happens.
  bool withdraw(pool_job& work) noexcept;

  /// True if no call runs or waits for a thread.
  [[nodiscard]] bool quiet() const;

  struct figures {
    std::size_t running = 0;
    std::size_t queued = 0;  // calls that wait for a thread
  };
  [[nodiscard]] figures count() const;
  [[nodiscard]] unsigned threads() const;

  /// True on a thread of this pool.
  [[nodiscard]] bool serves_caller() const noexcept;

  /// Waits until queued and running calls have ended. False if some have not at `deadline`.
  bool stop(time_point deadline);

 private:
  struct idler {
    std::condition_variable woken;
    bool called = false;
  };
  // Outlives the pool if a call never returns. Everything but the constants is guarded by lock.
  struct shared {
    const unsigned limit;
    const duration idle_limit;
    std::mutex lock;
    std::condition_variable thread_left;
    intrusive_list<pool_job> queue;
    std::vector<idler*> idle;  // has room for `limit`
    unsigned threads = 0;
    unsigned coming = 0;  // threads that were started or called and have not looked at the queue since
    bool stopped = false;
  };
  static void bring_thread(const std::shared_ptr<shared>& state);
  static void serve(const std::shared_ptr<shared>& state) noexcept;
  static bool wait_for_call(shared& state, std::unique_lock<std::mutex>& hold) noexcept;

  static thread_local const shared* served_;

  const std::shared_ptr<shared> state_;
};

}  // namespace tandem::detail
