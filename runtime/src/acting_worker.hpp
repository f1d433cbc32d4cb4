// A thread that plays a worker: the test's in a simulation, the one that shuts down for what is left.
#pragma once
#include <utility>

#include <tandem/runtime/detail/worker.hpp>

namespace tandem::detail {

/// While it lives, `w` is the worker of the calling thread. No other thread may be.
class acting_worker {
 public:
  explicit acting_worker(worker_base& w) noexcept : outer_(std::exchange(tls_worker, &w)) {}
  ~acting_worker() { tls_worker = outer_; }
  acting_worker(const acting_worker&) = delete;
  acting_worker& operator=(const acting_worker&) = delete;

 private:
  worker_base* outer_;
};

}  // namespace tandem::detail
