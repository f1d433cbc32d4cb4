#include "pipe_pool.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace tandem::detail {
namespace {

// A fourth of what any user may have in one, so that a few dozen fit into his quota. Less is as good, only slower.
constexpr int wanted_capacity = 256 << 10;

}  // namespace

empty_pipe::empty_pipe(empty_pipe&& other) noexcept
    : out(other.out.take()), in(other.in.take()), capacity(std::exchange(other.capacity, 0)) {}

empty_pipe& empty_pipe::operator=(empty_pipe&& other) noexcept {
  out.reset(other.out.take());
  in.reset(other.in.take());
  capacity = std::exchange(other.capacity, 0);
  return *this;
}

long pipe_pool::borrow(empty_pipe& lent) noexcept {
  {
    const std::lock_guard hold(lock_);
    if (count_ != 0) {
      lent = std::move(idle_[--count_]);
      return 0;
    }
  }
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
  lent.out.reset(ends[0]);
  lent.in.reset(ends[1]);
  (void)fcntl(ends[1], F_SETPIPE_SZ, wanted_capacity);  // refused to who has many: it stays as it is
  const int capacity = fcntl(ends[1], F_GETPIPE_SZ);
  lent.capacity = capacity > 0 ? static_cast<std::size_t>(capacity) : 4096;
  return 0;
}

void pipe_pool::give_back(empty_pipe pipe) noexcept {
  const std::lock_guard hold(lock_);
  if (!stopped_ && count_ != most_idle) idle_[count_++] = std::move(pipe);
}

void pipe_pool::stop() noexcept {
  const std::lock_guard hold(lock_);
  stopped_ = true;
  while (count_ != 0) idle_[--count_] = {};
}

std::size_t pipe_pool::idle() const {
  const std::lock_guard hold(lock_);
  return count_;
}

}  // namespace tandem::detail
