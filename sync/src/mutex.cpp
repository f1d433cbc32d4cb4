#include <tandem/sync/mutex.hpp>

namespace tandem::sync {
namespace {

// As in Go's mutex.
constexpr duration starving_after = std::chrono::milliseconds(1);

// A task that alone waits has not been called, so it has waited for the one that holds the lock now. Beside a lock held
// for so long it costs little to switch tasks, and one that is overtaken would wait for as long again. Not if others
// wait behind it: handing over to one after the other, as each is yet to run, could go on for ever.
constexpr duration worth_a_switch = std::chrono::microseconds(20);

}  // namespace

void mutex::pass_to_first(detail::wake_list& woken) noexcept {
  detail::wait_node& first = *waiters_.first();
  waiting& w = *static_cast<waiting*>(first.what);
  const bool alone = !first.next;
  // By the clock it began to wait by: whoever unlocks may be no task, or another runtime's.
  if (w.overtaken || tandem::detail::clock_of(*detail::task_of(first).owner) - w.since >=
                         (alone ? worth_a_switch : starving_after)) {
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
  called_ = &first;
  woken.add(first);
}

void mutex::answer(waiting& w) noexcept {
  if (std::exchange(w.called, false)) called_ = nullptr;
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
