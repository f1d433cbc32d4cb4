// Runs functions one after the other without a thread of its own.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace tandem::cluster::internal {

/// A strand: what is pushed runs in the order of pushing, never two at a time, on the thread of a pusher. Whoever finds
/// the queue at rest runs what is there, including what others push meanwhile; everybody else returns at once.
///
/// Threads: any. A function may push to its own queue; it then runs after the current one.
class serial_queue {
 public:
  using function = std::move_only_function<void()>;

  void push(function f) {
    std::unique_lock lock(mutex_);
    waiting_.push_back(std::move(f));
    if (running_) return;
    running_ = true;
    while (!waiting_.empty()) {
      {
        function next = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        next();
      }  // what it captured ends here, outside the lock
      lock.lock();
    }
    running_ = false;
    at_rest_.notify_all();
  }

  /// Blocks until nothing runs or waits. Must not be called from a function of this queue.
  void wait_until_at_rest() {
    std::unique_lock lock(mutex_);
    at_rest_.wait(lock, [this] { return !running_; });
  }

 private:
  std::mutex mutex_;  // guards everything below
  std::condition_variable at_rest_;
  std::deque<function> waiting_;
  bool running_ = false;  // (S1) false implies waiting_ is empty, outside push()
};

}  // namespace tandem::cluster::internal
