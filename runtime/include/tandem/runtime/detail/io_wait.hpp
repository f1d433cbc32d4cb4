// The wait for an operation that an io_context carries out, and its cancellation: what need not know Asio.
#pragma once
#include <atomic>
#include <cstdint>
#include <system_error>

#include <tandem/errors/error.hpp>
#include <tandem/runtime/detail/wait_node.hpp>

namespace asio {
class execution_context;
}

namespace tandem::detail {

class reactor;
class task_record;

/// One operation that a task waits for. Its handler runs on whoever has the reactor's seat (`poller` below), as does
/// the cancellation, which therefore needs no lock against handlers.
///
/// | bit       | set by                                    | means                                               |
/// |-----------|-------------------------------------------|-----------------------------------------------------|
/// | started   | the task, when it has started it          | the task is suspended, unless `completed` was first |
/// | asked     | whoever ends the context                  | the operation is to be cancelled                    |
/// | served    | the poller, when it has cancelled it      | nobody will touch the wait for that                 |
/// | completed | the poller, in the operation's handler    | the outcome is there                                |
///
/// (O1) The task goes on, and its frame may end, when nobody is left who touches the wait. Of two parties, the second
///      to set its bit sees to that: of `started` and `completed`, and of `completed` and `served` where there is a
///      request.
/// (O2) There is a request for whoever finds `started` and no `completed` when he sets `asked`, or the other way round.
///      So it is one, and the frame stays until the poller has served it.
/// (O3) Each change is a read-modify-write that acquires and releases, so who finds another's bit sees what came
///      before.
class io_wait {
 public:
  io_wait(const io_wait&) = delete;
  io_wait& operator=(const io_wait&) = delete;

 protected:
  using cancel_function = void (*)(io_wait&) noexcept;  // asks Asio to cancel the operation

  explicit io_wait(cancel_function c) noexcept : cancel_operation_(c) {}
  ~io_wait() = default;

  /// Throws std::logic_error unless `of` is the io_context of the task's runtime, or null, as it cannot be known; and
  /// if this is not the first time.
  void check(const task_record& task, const asio::execution_context* of) const;
  /// True if the operation is to be started: then park() must follow, or withdraw(). False: the context is over.
  [[nodiscard]] bool begin(task_record& task) noexcept;
  /// The operation could not be started.
  void withdraw() noexcept;
  /// True if the task must suspend; from then on it may be running elsewhere.
  [[nodiscard]] bool park() noexcept;
  /// park() where begin() gave false.
  [[nodiscard]] bool park_without() noexcept;

  /// In the handler, when the outcome is in its place. The last touch of the frame.
  void complete() noexcept;

  /// Called first thing when the task runs again. True if the operation was started, and so has completed.
  [[nodiscard]] bool finish() noexcept;
  [[nodiscard]] task_record& task() const noexcept { return *task_; }

 private:
  friend reactor;
  static void cancel(task_record& task) noexcept;
  static void leave(task_record& task) noexcept;
  static const wait_kind kind;

  /// The poller takes up a request.
  void serve() noexcept;

  static constexpr std::uint8_t started = 1, asked = 2, served = 4, completed = 8;
  std::atomic<std::uint8_t> state_{0};
  bool begun_ = false;
  const cancel_function cancel_operation_;
  task_record* task_ = nullptr;
  io_wait* next_asked_ = nullptr;  // in the reactor's list of requests
};

/// The error for a failed operation, whose code is kept: see asio.hpp for which errc is which.
[[nodiscard]] error io_error(const std::error_code& code);

}  // namespace tandem::detail
