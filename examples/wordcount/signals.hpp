// SIGINT and SIGTERM as calls of a function on a thread of their own, where anything may be done.
#pragma once
#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace wordcount {

/// Make it first thing in main(): threads made later inherit that the signals are blocked, so only the thread in here
/// sees them. The first signal is handed to the handler; the second ends the process at once, for users in a hurry.
class stop_signals {
 public:
  stop_signals();
  ~stop_signals();
  stop_signals(const stop_signals&) = delete;
  stop_signals& operator=(const stop_signals&) = delete;

  /// Calls `handler(signal)` on the signals' thread: when the first one comes, or now if it came already.
  /// An empty handler takes the last one back; when that returns, it does not run any more.
  void on_stop(std::function<void(int)> handler);

  /// Blocks until a signal has come and gives it. No handler must be set.
  int wait();

  /// The first signal that came; 0 if none did.
  [[nodiscard]] int received() const noexcept { return received_.load(); }

 private:
  void run();

  std::atomic<int> received_{0};
  std::mutex mutex_;
  std::function<void(int)> handler_;  // guarded by mutex_, which is held while it runs
  int quit_;                          // an eventfd that ends the thread
  std::thread thread_;
};

}  // namespace wordcount
