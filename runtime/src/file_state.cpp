#include "file_state.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <tandem/errors/error_code.hpp>

#include "scheduler.hpp"

namespace tandem::detail {

owned_descriptor::~owned_descriptor() { (void)close(); }

void owned_descriptor::reset(int value) noexcept {
  (void)close();
  value_ = value;
}

long owned_descriptor::close() noexcept {
  const int closed = take();
  // Whatever it says, Linux has closed it: a second close() might be that of another thread's file.
  return closed < 0 || ::close(closed) == 0 || errno == EINTR ? 0 : -errno;
}

file_state::file_state(std::string p, file_access a, io_alignment needs)
    : pool_job([](job& self) noexcept { delete static_cast<file_state*>(static_cast<pool_job*>(&self)); }),
      path(std::move(p)),
      access(a),
      alignment(needs) {}

std::shared_ptr<file_state> file_state::make(std::string path, file_access access, io_alignment alignment,
                                             owned_descriptor& opened) {
  std::shared_ptr<file_state> made(new file_state(std::move(path), access, alignment), &let_go);
  made->descriptor_.reset(opened.take());
  return made;
}

// Closing may block, so a worker leaves it to the pool. Other threads may block.
void file_state::let_go(file_state* last) noexcept {
  scheduler* const here = current_scheduler();
  if (here && !here->manual() && !is_orphan() && last->descriptor_.get() >= 0) {
    try {
      (void)here->blocking().submit(*last);
      return;
    } catch (...) {  // there is no thread for it
    }
  }
  delete last;
}

result<void> file_state::enter() {
  const std::lock_guard hold(lock_);
  if (closed_) return fail(errc::closed);
  ++users_;
  return {};
}

void file_state::leave() noexcept {
  completion_ptr<void> drained;
  {
    const std::lock_guard hold(lock_);
    if (--users_ == 0) drained = std::move(drained_);
  }
  if (drained) drained.complete({});
}

result<completion_ptr<void>> file_state::begin_close() {
  static constexpr wait_kind kind{"the operations on a file to end", &completion_wait::cancel, nullptr,
                                  &completion_wait::leave};
  const std::lock_guard hold(lock_);
  if (closed_) return fail(errc::closed);
  completion_ptr<void> drained;
  if (users_ != 0) {
    auto* const made = new completion_of<void, kind>;  // has two shares
    drained_ = completion_ptr<void>(made);
    drained = completion_ptr<void>(made);
  }
  closed_ = true;
  return drained;
}

result<void> file_use::begin() {
  if (!file_) return fail(errc::failed_precondition, "there is no file in this object: open() gives one");
  result<void> entered = file_->enter();
  entered_ = entered.has_value();
  return entered;
}

error failed_call(long outcome, std::string what, std::source_location where) {
  task_record& task = current_task();
  if (outcome == -ECANCELED && context_over(task)) return context_error(task);
  return error_from(std::error_code(static_cast<int>(-outcome), std::system_category()), std::move(what), where);
}

}  // namespace tandem::detail
