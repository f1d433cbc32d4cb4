#include <tandem/runtime/detail/io_wait.hpp>

#include <utility>

#include <tandem/errors/error_code.hpp>
#include <tandem/runtime/detail/task_record.hpp>

#include "reactor.hpp"
#include "scheduler.hpp"

namespace tandem::detail {

constexpr wait_kind io_wait::kind{.name = "an asio operation",
                                  .cancel = &io_wait::cancel,
                                  .leave = &io_wait::leave,
                                  .ended_by_workers_only = true};

bool io_wait::begin(task_record& task) noexcept {
  task_ = &task;
  if (!begin_wait(task, kind, this)) return false;
  begun_ = true;
  task.owner->io_begins();
  return true;
}

void io_wait::withdraw() noexcept { (void)finish(); }

bool io_wait::park() noexcept {
  task_record& waiting = *task_;
  const std::uint8_t before = state_.fetch_or(started, std::memory_order_acq_rel);
  if (before & completed) {
    if (spend_slice()) return false;
    yield_to_others(waiting);
  } else if (before & asked) {
    waiting.owner->io().ask(*this);  // O2
  }
  return true;
}

bool io_wait::park_without() noexcept {
  if (spend_slice()) return false;
  yield_to_others(*task_);
  return true;
}

void io_wait::complete() noexcept {
  task_record& waiting = *task_;
  const std::uint8_t before = state_.fetch_or(completed, std::memory_order_acq_rel);
  if (!(before & started)) return;                        // O1: the task finds it in park()
  if ((before & (asked | served)) == asked) return;       // O1: serve() follows
  make_ready(waiting);
}

void io_wait::serve() noexcept {
  task_record& waiting = *task_;
  // Relaxed: `completed` is set on this thread, or was on one that had the seat before.
  if (!(state_.load(std::memory_order_relaxed) & completed)) cancel_operation_(*this);
  if (state_.fetch_or(served, std::memory_order_acq_rel) & completed) make_ready(waiting);  // O1
}

void io_wait::cancel(task_record& task) noexcept {
  io_wait& self = *static_cast<io_wait*>(task.what);
  const std::uint8_t before = self.state_.fetch_or(asked, std::memory_order_acq_rel);
  if ((before & (started | asked | completed)) == started) task.owner->io().ask(self);  // O2
}

// Nobody polls any more, so no handler runs, and requests are not looked at.
void io_wait::leave(task_record& task) noexcept { (void)static_cast<io_wait*>(task.what)->finish(); }

bool io_wait::finish() noexcept {
  end_wait(*task_);
  if (begun_) task_->owner->io_ends();
  return begun_;
}

error io_error(const std::error_code& code) {
  error e = error_from(code);
  if (e.code() != errc::cancelled) return e;
  return wrap(std::move(e), errc::aborted, "the object was closed, or its operations were cancelled");
}

}  // namespace tandem::detail
