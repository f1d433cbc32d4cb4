// A line on the state of the scheduler now and then, as Go's schedtrace prints it.
#pragma once
#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include <tandem/runtime/time.hpp>

#include "parker.hpp"

namespace tandem::detail {

class scheduler;

/// What TANDEM_TRACE asks for: settings with commas in between, of which there is one, "sched=MILLISECONDS". Zero: no
/// trace. Settings that make no sense are complained about to `complain` and ignored.
[[nodiscard]] duration trace_period(const char* settings, const std::function<void(const std::string&)>& complain);

/// What the workers of `s` do at this moment, as "name=value" with blanks in between. Nothing is stopped for it, so the
/// figures are of slightly different moments.
[[nodiscard]] std::string describe_state(scheduler& s);

/// A thread that prints describe_state() every `period` until it is stopped. There is none while nobody asked for it.
class sched_trace {
 public:
  using sink = std::function<void(const std::string&)>;

  /// Starts the thread.   Errors: throws std::system_error.
  sched_trace(scheduler& s, duration period, sink print);
  ~sched_trace() { stop(); }
  sched_trace(const sched_trace&) = delete;
  sched_trace& operator=(const sched_trace&) = delete;

  /// When it returns, nothing is printed any more. To be called by one thread at a time.
  void stop() noexcept;

 private:
  void run() noexcept;

  scheduler& scheduler_;
  const duration period_;
  const sink print_;
  std::atomic<bool> stop_{false};
  parker sleeper_;
  std::thread thread_;
};

}  // namespace tandem::detail
