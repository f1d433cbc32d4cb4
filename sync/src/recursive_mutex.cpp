#include <tandem/sync/recursive_mutex.hpp>

#include <stdexcept>
#include <utility>

namespace tandem::sync {

result<recursive_mutex::guard> recursive_mutex::try_lock() {
  if (this_task::id() == 0)
    throw std::logic_error("tandem: try_lock() of a recursive mutex, which belongs to a task, outside of tasks");
  if (is_mine()) return again();
  auto locked = mutex_.try_lock();
  if (!locked) return fail(std::move(locked).error());
  return begin(std::move(*locked));
}

recursive_mutex::guard recursive_mutex::begin(mutex::guard locked) noexcept {
  (void)locked.release();
  depth_ = 1;
  owner_.store(this_task::id(), std::memory_order_relaxed);  // read by others only to see that it is not theirs
  return guard(*this);
}

recursive_mutex::guard recursive_mutex::again() noexcept {
  ++depth_;
  return guard(*this);
}

void recursive_mutex::unlock() {
  if (!is_mine()) detail::not_locked("recursive mutex, by this task,");
  if (--depth_ > 0) return;
  owner_.store(0, std::memory_order_relaxed);  // as in begin()
  mutex_.unlock();
}

std::size_t recursive_mutex::depth() const noexcept { return is_mine() ? depth_ : 0; }

}  // namespace tandem::sync
