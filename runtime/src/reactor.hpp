// A runtime's io_context, and who runs it: one worker at a time, who has its seat.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>

#include <tandem/runtime/detail/io_wait.hpp>
#include <tandem/runtime/time.hpp>

#include "parker.hpp"

namespace asio {
class io_context;
}

namespace tandem::detail {

/// (V1) Handlers run, and cancellations are emitted, by whoever has the seat: so neither runs beside another.
/// (V2) Interrupting is sticky: it stops the io_context, which only who takes the seat starts again, before he
///      announces that he sleeps in it and before he looks at the requests. What was asked before that he sees; what is
///      asked later interrupts him. An interruption that comes late ends somebody's sleep for nothing.
/// (V3) A worker that falls asleep last tries to take the seat. If it is taken, then by one that sleeps here: who only
///      looks is awake. Who leaves the seat is awake, too, so another one, or he, is the last again. So when all sleep,
///      one of them sleeps here.
class reactor final : public sleeping_place {
 public:
  reactor() noexcept;
  ~reactor();
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  /// Made at the first call.   Errors: throws std::system_error if there are no descriptors for it, and std::bad_alloc.
  [[nodiscard]] asio::io_context& context();
  /// Has context() been called?
  [[nodiscard]] bool in_use() const noexcept { return loop_.load(std::memory_order_acquire) != nullptr; }

  /// Runs handlers that are ready, up to some number, unless another worker has the seat. Gives their number.
  std::size_t poll() noexcept;

  /// Takes the seat if it is free, and io in use; stand_up() must follow.
  [[nodiscard]] bool try_sit() noexcept;
  /// Gives the number of handlers that were run since.
  std::size_t stand_up() noexcept;

  /// Who has the seat: waits for a handler, for `deadline`, or for an interruption, and runs what is ready.
  void sleep(time_point deadline) noexcept override;

  /// Any thread, when io is in use: interrupts who sleeps.
  void wake() noexcept override;
  /// Any thread, when io is in use: a request to cancel the operation, which stays until it is served.
  void ask(io_wait& operation) noexcept;

 private:
  struct loop;
  [[nodiscard]] loop& here() const noexcept { return *loop_.load(std::memory_order_acquire); }
  void arm(time_point deadline) noexcept;
  void serve() noexcept;
  void run_ready() noexcept;

  std::atomic<bool> taken_{false};          // acquire and release hand on what is below
  std::atomic<io_wait*> asked_{nullptr};    // the last request; release in ask() pairs with acquire in serve()
  std::mutex making_;
  std::unique_ptr<loop> made_;              // once, under making_
  std::atomic<loop*> loop_{nullptr};        // the same; release in context() pairs with the acquire of who uses it
  // Of who has the seat:
  std::size_t ran_ = 0;
  time_point armed_ = no_deadline;  // when the alarm goes off
  bool listens_ = false;            // an operation waits for the alarm
};

}  // namespace tandem::detail
