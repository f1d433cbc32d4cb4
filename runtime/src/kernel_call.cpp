#include "kernel_call.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <sys/uio.h>
#include <unistd.h>

#include <tandem/runtime/detail/task_record.hpp>

#include "scheduler.hpp"
#include "sigpipe_guard.hpp"

namespace tandem::detail {
namespace {

// As much as the kernel transfers in one call, whatever it is asked.
constexpr std::size_t most_in_one_call = 0x7ffff000;
// What is copied in less time than it takes to hand the call over and to be woken. The kernel tries requests on the
// caller's thread first; longer ones are not tried.
constexpr std::size_t short_transfer = std::size_t{64} << 10;
// The same for direct I/O, where that only describes the memory to the device.
constexpr std::size_t short_direct_transfer = std::size_t{1} << 20;

long or_errno(ssize_t result) noexcept { return result < 0 ? -errno : result; }

}  // namespace

kernel_call::kernel_call(const wait_kind& kind) noexcept
    : pool_job([](job& self) noexcept {
        auto& operation = static_cast<kernel_call&>(static_cast<pool_job&>(self));
        operation.result_ = operation.perform();
        make_ready(*operation.task_);  // the operation may be gone
      }),
      kind_(kind) {}

bool kernel_call::await_ready() noexcept {
  task_record& task = current_task();
  if (context_over(task)) {
    result_ = -ECANCELED;
  } else if (task.owner->manual()) {
    result_ = perform();
  } else if (!perform_at_once(result_)) {
    return false;
  }
  phase_ = phase::decided;
  return spend_slice();
}

// True if the task must stay suspended; then it may run elsewhere already, and *this may be gone.
bool kernel_call::start(task_record& task) {
  if (phase_ == phase::decided) {  // only the slice is used up
    yield_to_others(task);
    return true;
  }
  phase_ = phase::waiting;
  task_ = &task;
  ring_request* const asked = request();
  if (asked) ring_ = task.owner->ring();
  if (!begin_wait(task, kind_, this)) {
    ring_ = nullptr;
    result_ = -ECANCELED;
    return false;
  }
  set_running(*tls_worker, nullptr);  // O1
  if (ring_) {
    asked->task = &task;
    if (ring_->submit(*asked)) return true;
    set_running(*tls_worker, &task);
    return false;
  }
  try {
    if (task.owner->blocking().submit(*this)) return true;
  } catch (...) {
    set_running(*tls_worker, &task);
    end_wait(task);
    phase_ = phase::decided;
    throw;
  }
  set_running(*tls_worker, &task);
  result_ = -ECANCELED;
  return false;
}

long kernel_call::await_resume() noexcept {
  if (phase_ != phase::waiting) return result_;
  end_wait(*task_);
  return ring_ ? request()->result : result_;
}

void kernel_call::cancel(task_record& task) noexcept {
  auto& self = *static_cast<kernel_call*>(task.what);
  if (self.ring_) {
    self.ring_->cancel(*self.request());
  } else if (task.owner->blocking().withdraw(self)) {
    self.result_ = -ECANCELED;
    make_ready(task);
  }
}

void kernel_call::leave(task_record& task) noexcept { end_wait(task); }

const wait_kind& transfer::kind_of(ring_request::call what) noexcept {
  static constexpr wait_kind read{"a read of a file", &kernel_call::cancel, nullptr, &kernel_call::leave};
  static constexpr wait_kind write{"a write to a file", &kernel_call::cancel, nullptr, &kernel_call::leave};
  static constexpr wait_kind sync{"a file to be on disk", &kernel_call::cancel, nullptr, &kernel_call::leave};
  switch (what) {
    case ring_request::call::read: return read;
    case ring_request::call::write: return write;
    default: return sync;
  }
}

transfer::transfer(ring_request::call what, int descriptor, std::uint64_t offset,
                   std::span<std::byte> memory) noexcept
    : kernel_call(kind_of(what)) {
  request_.what = what;
  request_.takes_long = memory.size() > short_transfer;
  request_.descriptor = descriptor;
  request_.offset = offset;
  request_.memory = memory.data();
  request_.length = static_cast<std::uint32_t>(std::min(memory.size(), most_in_one_call));
}

void transfer::copies_nothing() noexcept { request_.takes_long = request_.length > short_direct_transfer; }

long transfer::perform() noexcept {
  const auto offset = static_cast<off_t>(request_.offset);
  switch (request_.what) {
    case ring_request::call::read:
      return or_errno(pread(request_.descriptor, request_.memory, request_.length, offset));
    case ring_request::call::write: {
      held_signal too_long(SIGXFSZ);
      const long written = or_errno(pwrite(request_.descriptor, request_.memory, request_.length, offset));
      if (written == -EFBIG) too_long.note_raised();
      return written;
    }
    case ring_request::call::sync_data:
      return or_errno(fdatasync(request_.descriptor));
    case ring_request::call::sync_all:
      return or_errno(fsync(request_.descriptor));
  }
  return -EINVAL;
}

bool transfer::perform_at_once(long& result) noexcept {
  if (!may_try_ || request_.what != ring_request::call::read || request_.length > short_transfer) return false;
  const iovec into{request_.memory, request_.length};
  result = or_errno(preadv2(request_.descriptor, &into, 1, static_cast<off_t>(request_.offset), RWF_NOWAIT));
  if (result == -EOPNOTSUPP) may_try_ = false;
  return result >= 0;
}

}  // namespace tandem::detail
