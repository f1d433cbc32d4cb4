// Threads for calls that block: started on demand up to a limit, gone after a while without work.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::detail {

/// Threads: every member may be called from any thread.
class blocking_pool {
 public:
  explicit blocking_pool(unsigned limit) noexcept : limit_(limit == 0 ? 1 : limit) {}
  ~blocking_pool();

  /// Runs `work` on a thread of the pool, in order of submission. After stop() it runs at once, on the caller's.
  void submit(job& work);

  /// True if no call runs or waits for a thread.
  [[nodiscard]] bool quiet() const;

  struct figures {
    std::size_t running = 0;
    std::size_t queued = 0;  // calls that wait for a thread
  };
  [[nodiscard]] figures count() const;

  /// Waits until queued and running calls have ended. False if some have not at `deadline`.
  bool stop(time_point deadline);

 private:
  // The state outlives the pool if a call never returns.
  struct shared {
    std::mutex lock;
    std::condition_variable work_or_stop;
    std::condition_variable thread_left;
    std::deque<job*> queue;  // all of these guarded by lock
    unsigned threads = 0;
    unsigned idle = 0;
    bool stopped = false;
  };
  static void serve(const std::shared_ptr<shared>& state) noexcept;

  const unsigned limit_;
  std::shared_ptr<shared> state_ = std::make_shared<shared>();
};

}  // namespace tandem::detail
