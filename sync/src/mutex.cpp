#include <tandem/sync/mutex.hpp>

namespace tandem::sync {
namespace {

// As in Go's mutex.
constexpr duration starving_after = std::chrono::milliseconds(1);

}  // namespace

void mutex::pass_to_first(detail::wake_list& woken) noexcept {
  detail::wait_node& first = *waiters_.first();
  waiting& w = *static_cast<waiting*>(first.what);
  if (w.overtaken || now() - w.since >= starving_after) {
    complete(first, woken);  // it has the lock now
  } else {
    locked_ = false;
    call_another(woken);
  }
}

void mutex::call_another(detail::wake_list& woken) noexcept {
  if (locked_ || called_ || waiters_.empty()) return;
  detail::wait_node& first = *waiters_.first();
  waiters_.unlink(first);
  static_cast<waiting*>(first.what)->called = true;
  called_ = true;
  woken.add(first);
}

void mutex::answer(waiting& w) noexcept {
  if (std::exchange(w.called, false)) called_ = false;
}

void mutex::begin_to_wait(waiting& w) noexcept {
  w.overtaken = w.waits;
  if (!std::exchange(w.waits, true)) w.since = now();
}

void mutex::link(detail::task_record& task, const waiting& w) noexcept {
  if (w.overtaken)
    waiters_.push_front(task);
  else
    waiters_.push_back(task);
}

}  // namespace tandem::sync
