// A call of the kernel that a task waits for, without its worker: what file.cpp and its like are made of.
#pragma once
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <span>
#include <utility>

#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/task.hpp>

#include "io_ring.hpp"

namespace tandem::detail {

/// Yields what the call gave, or a negative errno; -ECANCELED if the context was over before it took effect.
///
/// (O1) The task is woken once: by the thread of the pool that made the call, by the ring, or by whoever cancelled it
///      before it reached one of them. Until then the operation and what it refers to stay.
///      The worker runs no task from then on: a watchdog must not look at one that may have ended elsewhere.
/// (O2) In a simulation the call is made at once, on the test's thread.
class kernel_call : public awaitable_base, public pool_job {
 public:
  kernel_call(const kernel_call&) = delete;
  kernel_call& operator=(const kernel_call&) = delete;

  [[nodiscard]] bool await_ready() noexcept;
  template <std::derived_from<promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> self) {
    return start(suspend_here(self, *this));
  }
  long await_resume() noexcept;

 protected:
  explicit kernel_call(const wait_kind& kind) noexcept;
  ~kernel_call() = default;

  // Of the operation's wait_kind.
  static void cancel(task_record& task) noexcept;
  static void leave(task_record& task) noexcept;

  /// Makes the call, on a thread that may block.
  virtual long perform() noexcept = 0;
  /// Makes the call if that takes no time. False: it does.
  virtual bool perform_at_once(long&) noexcept { return false; }
  /// What the ring is asked instead, if there is one; null: the ring cannot do it.
  virtual ring_request* request() noexcept { return nullptr; }

 private:
  enum class phase : std::uint8_t { fresh, decided, waiting };

  [[nodiscard]] bool start(task_record& task);

  const wait_kind& kind_;
  phase phase_ = phase::fresh;
  long result_ = 0;
  task_record* task_ = nullptr;
  io_ring* ring_ = nullptr;  // the one that has the request; null: the pool has the job
};

/// A read, write or sync. The memory stays the caller's.
class transfer final : public kernel_call {
 public:
  transfer(ring_request::call what, int descriptor, std::uint64_t offset = 0, std::span<std::byte> memory = {}) noexcept;

  /// Nothing is copied, as the descriptor is open for direct I/O: a longer one does not hold the worker up either.
  void copies_nothing() noexcept;
  /// A short read of what is in memory already is done on the worker itself.
  void try_at_once() noexcept { may_try_ = true; }
  /// False once the file system has said that it cannot tell what is in memory.
  [[nodiscard]] bool can_try_at_once() const noexcept { return may_try_; }

 private:
  [[nodiscard]] static const wait_kind& kind_of(ring_request::call what) noexcept;
  long perform() noexcept override;
  bool perform_at_once(long& result) noexcept override;
  ring_request* request() noexcept override { return &request_; }

  ring_request request_;
  bool may_try_ = false;
};

/// `call()`, on a thread that may block. It gives a number, negative for an errno.
template <std::invocable F>
class pool_call final : public kernel_call {
 public:
  explicit pool_call(F& call) noexcept : kernel_call(kind), call_(call) {}

 private:
  static constexpr wait_kind kind{"a call on a file", &kernel_call::cancel, nullptr, &kernel_call::leave};
  long perform() noexcept override { return call_(); }

  F& call_;
};

}  // namespace tandem::detail
