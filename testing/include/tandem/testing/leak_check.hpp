// Fails a test that leaves tasks, timers or channels behind.
#pragma once
#include <chrono>
#include <memory>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::testing {

/// Looks, at the end of its scope, for what was made within it and is still there: live tasks of any runtime or
/// simulation of the process, armed timers, and channels. Declare it first in a test, so that all else ends before:
///
/// ```
/// TEST(Feed, EndsItsReaders) {
///   leak_check nothing_left;
///   sim_runtime sim;
///   …
/// ```
/// What other threads make meanwhile counts as well: use it where one test runs at a time.
///
/// Threads: use one object from one thread.
class leak_check {
 public:
  leak_check();
  /// check(), unless that was called; what it finds fails the test (see test_framework.hpp).
  ~leak_check();
  leak_check(const leak_check&) = delete;
  leak_check& operator=(const leak_check&) = delete;

  /// Tasks of a runtime with threads may need a moment to end: they have `patience` to do so, measured in real time.
  /// Errors: errc::failed_precondition, naming the tasks, where they were spawned and what they wait for, the number of
  ///         timers, and where the channels were made.
  [[nodiscard]] result<void> check(duration patience = std::chrono::seconds(1));

 private:
  struct before;
  const std::unique_ptr<before> before_;
  bool checked_ = false;
};

}  // namespace tandem::testing
