// One thread that runs functions at their time: for the few slow timers of a transport (redial, down, handshake).
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace tandem::cluster::internal {

/// Timers on the steady clock. There is no way to cancel one: a function checks whether it still matters.
///
/// Threads: any. Functions run one at a time on the queue's thread, so they should be short.
class timer_queue {
 public:
  using clock = std::chrono::steady_clock;
  using function = std::move_only_function<void()>;

  timer_queue() : thread_([this] { run(); }) {}
  ~timer_queue() { stop(); }
  timer_queue(const timer_queue&) = delete;
  timer_queue& operator=(const timer_queue&) = delete;

  /// Runs `f` after `delay`, or never if stop() comes first.
  void after(clock::duration delay, function f) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    const auto added = timers_.emplace(std::pair(clock::now() + delay, ++made_), std::move(f)).first;
    // Only an earlier first timer changes when the thread has to wake.
    if (added == timers_.begin()) changed_.notify_one();
  }

  /// Forgets all timers and waits for a function that runs. Call it once, not from a timer.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
      changed_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
    timers_.clear();
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (!stopped_) {
      if (timers_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const auto first = timers_.begin();
      if (const auto when = first->first.first; when > clock::now()) {
        changed_.wait_until(lock, when);
        continue;
      }
      {
        function f = std::move(first->second);
        timers_.erase(first);
        lock.unlock();
        f();
      }  // what it captured ends here, outside the lock
      lock.lock();
    }
  }

  std::mutex mutex_;  // guards everything but thread_
  std::condition_variable changed_;
  std::map<std::pair<clock::time_point, std::uint64_t>, function> timers_;  // number: equal times stay in order
  std::uint64_t made_ = 0;
  bool stopped_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace tandem::cluster::internal
