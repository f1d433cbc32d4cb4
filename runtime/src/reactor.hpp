// A runtime's io_context, and who runs it: one worker at a time, who has its seat.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>

#include <tandem/runtime/detail/io_wait.hpp>
#include <tandem/runtime/time.hpp>

#include "parker.hpp"

namespace asio {
class io_context;
}

namespace tandem::detail {

/// (V1) Handlers run, and cancellations are emitted, by whoever has the seat: so neither runs beside another.
/// (V2) Interrupting is sticky: it stops the io_context, which only who takes the seat starts again, before he announces
///      that he sleeps in it and before he looks at the requests. What was asked before that he sees; what is asked later
///      interrupts him. An interruption that comes late ends somebody's sleep for nothing.
/// (V3) A worker that finds the seat taken sleeps elsewhere. Who leaves the seat is awake, and tries to take it again
///      before he sleeps: so when all sleep, one of them sleeps here.
class reactor final : public sleeping_place {
 public:
  /// Errors: throws std::system_error if there are no descriptors for it, and std::bad_alloc.
  reactor();
  ~reactor();
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  [[nodiscard]] asio::io_context& context() noexcept;

  /// Takes the seat if it is free; stand_up() must follow.
  [[nodiscard]] bool try_sit() noexcept;
  /// Gives the number of handlers that were run since.
  std::size_t stand_up() noexcept;

  /// Who has the seat: runs handlers that are ready, up to some number.
  void run_ready() noexcept;
  /// Who has the seat: the same, but waits for the first one, for `deadline`, or for an interruption.
  void sleep(time_point deadline) noexcept override;

  /// Any thread: interrupts who sleeps.
  void wake() noexcept override;
  /// Any thread: a request to cancel the operation, which stays until it is served.
  void ask(io_wait& operation) noexcept;

 private:
  struct loop;
  void arm(time_point deadline) noexcept;
  void serve() noexcept;
  void run_more() noexcept;

  std::atomic<bool> taken_{false};          // acquire and release hand on what is below
  std::atomic<io_wait*> asked_{nullptr};    // the last request; release in ask() pairs with acquire in serve()
  std::unique_ptr<loop> loop_;              // constant
  // Of who has the seat:
  std::size_t ran_ = 0;
  time_point armed_ = no_deadline;  // when the alarm goes off
  bool listens_ = false;            // an operation waits for the alarm
};

}  // namespace tandem::detail
