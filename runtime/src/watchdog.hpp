// Notices tasks that hold their worker for too long, and tells where they are.
#pragma once
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <tandem/errors/stack.hpp>
#include <tandem/runtime/time.hpp>

#include "parker.hpp"

namespace tandem::detail {

class scheduler;
struct worker;

/// What the watchdog and a worker's thread share. The stack of a thread can only be taken on it, so the watchdog sends
/// it a signal; the handler leaves the stack here.
///
/// (D1) `state` goes idle -> asked (watchdog) -> taking -> taken or gone (handler) -> idle (watchdog). Who moves it to
///      asked or taking owns the other fields until the next move; release and acquire publish them.
struct stack_probe {
  enum : int { idle, asked, taking, taken, gone };
  std::atomic<int> state{idle};
  std::atomic<int> thread{0};  // the worker's thread id; written by it when it starts
  unsigned turn = 0;           // the turn the question is about
  bool seen_before = false;    // the task was reported already
  stack_trace stack;
};

/// One thread that looks at the workers twice per limit while any of them works, and sleeps for good while all are
/// idle. A worker pays one store per turn for it, and a load and a fence when it comes back from idleness.
///
/// (D2) A worker that leaves idleness says so (worker::active), then looks whether the watchdog sleeps; a watchdog that
///      goes to sleep says so, then looks for active workers. Both with a seq_cst fence in between.
class watchdog {
 public:
  using sink = std::function<void(const std::string&)>;

  /// Starts the thread.   Errors: throws std::system_error.
  watchdog(scheduler& s, duration limit, sink report);
  ~watchdog() { stop(); }
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;

  /// When it returns, no worker is looked at any more. To be called by one thread at a time.
  void stop() noexcept;

  /// A worker's thread, after it left idleness.
  void worker_is_active() noexcept {
    if (asleep_.load(std::memory_order_relaxed) && asleep_.exchange(false, std::memory_order_relaxed))
      sleeper_.unpark();
  }
  /// True on its own thread.
  [[nodiscard]] bool is_caller() const noexcept { return thread_.get_id() == std::this_thread::get_id(); }

  /// The signal handler, when the probe has its answer.
  void answered() noexcept { sleeper_.unpark(); }

 private:
  struct sighting {
    unsigned turn = 0;
    time_point since{};
    bool watched = false;
    bool reported = false;
  };

  void run() noexcept;
  [[nodiscard]] bool any_active() const noexcept;
  void sleep_until_work();
  void look(std::vector<sighting>& seen, time_point now);
  void report(worker& w, unsigned turn, duration held);

  scheduler& scheduler_;
  const duration limit_;
  const sink report_;
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stop_{false};
  parker sleeper_;
  std::thread thread_;
};

}  // namespace tandem::detail
