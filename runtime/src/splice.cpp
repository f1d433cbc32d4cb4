#include <tandem/runtime/splice.hpp>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asio/posix/stream_descriptor.hpp>
#include <fmt/format.h>

#include <tandem/errors/error_code.hpp>
#include <tandem/runtime/asio.hpp>
#include <tandem/runtime/this_task.hpp>

#include "io_faults.hpp"
#include "pipe_pool.hpp"
#include "scheduler.hpp"
#include "sigpipe_guard.hpp"

namespace tandem {
namespace {

using detail::sigpipe_guard;

constexpr std::size_t most_in_one_turn = std::size_t{1} << 20;  // then others may run
constexpr std::size_t buffer_bytes = std::size_t{64} << 10;     // where there is no splicing

ssize_t splice_some(int from, int to, std::size_t most) noexcept {
  if (const auto fault = detail::io_fault_for(detail::io_call::splice, ""); fault.error != 0) {
    errno = fault.error;
    return -1;
  }
  return splice(from, nullptr, to, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

/// What is on its way from one descriptor to the other: in a pipe, or in a buffer.
///
/// (L1) A byte that was taken from `from` is counted in held_ until `to` has it. So the pipe is empty if held_ is 0,
///      and then it goes back; one that is dropped with bytes in it is closed.
class passage {
 public:
  enum class state : std::uint8_t { from_is_empty, to_is_full, turn_is_over, ended, failed };

  passage(detail::pipe_pool& pipes, int from, int to) noexcept : pipes_(pipes), from_(from), to_(to) {}

  /// Moves what can be moved without waiting.
  state move() {
    sigpipe_guard guard;
    state now = state::turn_is_over;
    for (std::size_t left = most_in_one_turn; left != 0 && now == state::turn_is_over;) {
      const std::uint64_t before = copied_;
      now = held_ == 0 ? take() : give(guard);
      left -= std::min<std::uint64_t>(left, copied_ - before);
    }
    if (held_ == 0 && pipe_) pipes_.give_back(std::move(pipe_));  // L1
    return now;
  }

  /// One more try to give what is held, and then what was done, with what is left of it.
  [[nodiscard]] unfinished_copy finish() {
    {
      sigpipe_guard guard;
      while (held_ != 0 && give(guard) == state::turn_is_over) {
      }
    }
    unfinished_copy done;
    done.copied = copied_;
    if (splices_ && held_ != 0 && !empty_pipe_into_buffer()) held_ = 0;
    if (held_ != 0) done.held.assign(buffer_.get() + begin_, held_);
    return done;
  }

  [[nodiscard]] std::uint64_t copied() const noexcept { return copied_; }
  [[nodiscard]] int error_number() const noexcept { return error_; }

 private:
  state outcome(state if_it_would_block, sigpipe_guard* guard) noexcept {
    if (errno == EINTR) return state::turn_is_over;
    if (errno == EAGAIN) return if_it_would_block;
    if (errno == EPIPE && guard) guard->note_broken_pipe();
    error_ = errno;
    return state::failed;
  }

  state take() {
    ssize_t n;
    if (splices_) {
      if (!pipe_) {
        if (const long borrowed = pipes_.borrow(pipe_); borrowed != 0) {
          error_ = static_cast<int>(-borrowed);
          return state::failed;
        }
      }
      n = splice_some(from_, pipe_.in.get(), pipe_.capacity);
      if (n < 0 && errno == EINVAL) {  // `from` cannot
        splices_ = false;
        return state::turn_is_over;
      }
    } else {
      if (!buffer_) buffer_ = std::make_unique<char[]>(buffer_bytes);
      begin_ = 0;
      n = read(from_, buffer_.get(), buffer_bytes);
    }
    if (n < 0) return outcome(state::from_is_empty, nullptr);
    if (n == 0) return state::ended;
    held_ = static_cast<std::size_t>(n);
    return state::turn_is_over;
  }

  state give(sigpipe_guard& guard) {
    ssize_t n;
    if (splices_) {
      n = splice_some(pipe_.out.get(), to_, held_);
      if (n < 0 && errno == EINVAL) {  // `to` cannot
        if (!empty_pipe_into_buffer()) return state::failed;
        return state::turn_is_over;
      }
    } else {
      n = write(to_, buffer_.get() + begin_, held_);
      if (n > 0) begin_ += static_cast<std::size_t>(n);
    }
    if (n < 0) return outcome(state::to_is_full, &guard);
    held_ -= static_cast<std::size_t>(n);
    copied_ += static_cast<std::uint64_t>(n);
    return state::turn_is_over;
  }

  // From then on it is done without splicing. False if that cannot be, which it always can of a pipe that has bytes.
  bool empty_pipe_into_buffer() {
    buffer_ = std::make_unique<char[]>(std::max(held_, buffer_bytes));
    splices_ = false;
    begin_ = 0;
    for (std::size_t have = 0; have != held_;) {
      const ssize_t n = read(pipe_.out.get(), buffer_.get() + have, held_ - have);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        error_ = n < 0 ? errno : EIO;
        return false;
      }
      have += static_cast<std::size_t>(n);
    }
    pipes_.give_back(std::move(pipe_));
    return true;
  }

  detail::pipe_pool& pipes_;
  const int from_;
  const int to_;
  detail::empty_pipe pipe_;
  std::unique_ptr<char[]> buffer_;
  std::size_t begin_ = 0;  // of what is held in the buffer
  std::size_t held_ = 0;   // (L1)
  std::uint64_t copied_ = 0;
  bool splices_ = true;
  int error_ = 0;
};

// A duplicate of `given` that can be waited for, in `made`.
result<void> duplicate(int given, const char* which, asio::posix::stream_descriptor& made) {
  const std::string what = fmt::format("cannot copy {} descriptor {}", which, given);
  const auto failed = [&what] {
    return fail(error_from(std::error_code(errno, std::system_category()), what));
  };
  struct stat about;
  if (fstat(given, &about) != 0) return failed();
  if (!S_ISSOCK(about.st_mode) && !S_ISFIFO(about.st_mode) && !S_ISCHR(about.st_mode)) {
    return fail(errc::invalid_argument, what + ": only sockets, pipes and character devices can be waited for; files are "
                                               "read and written by tandem::file");
  }
  int type = SOCK_STREAM;
  socklen_t size = sizeof type;
  if (S_ISSOCK(about.st_mode) && getsockopt(given, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return failed();
  if (type != SOCK_STREAM) {
    return fail(errc::invalid_argument, what + ": a copy would not keep the bounds of messages; only stream sockets "
                                               "carry bytes without bounds");
  }
  detail::owned_descriptor copy(fcntl(given, F_DUPFD_CLOEXEC, 0));
  if (copy.get() < 0) return failed();
  const int flags = fcntl(given, F_GETFL);
  if (flags < 0 || fcntl(given, F_SETFL, flags | O_NONBLOCK) != 0) return failed();
  std::error_code refused;
  made.assign(copy.get(), refused);
  if (refused) return fail(error_from(refused, what));
  (void)copy.take();
  return {};
}

error unfinished(error why, passage& way) {
  unfinished_copy done = way.finish();
  std::string what = fmt::format("copied {} bytes", done.copied);
  if (!done.held.empty()) what += fmt::format(", and {} more were read", done.held.size());
  return with_payload(with_message(std::move(why), std::move(what)), std::move(done));
}

}  // namespace

task<result<std::uint64_t>> copy(int from, int to) {
  asio::io_context& io = this_task::io();
  asio::posix::stream_descriptor in(io), out(io);
  TANDEM_CO_TRY(duplicate(from, "from", in));
  TANDEM_CO_TRY(duplicate(to, "to", out));
  passage way(detail::current_scheduler()->pipes(), in.native_handle(), out.native_handle());
  for (;;) {
    result<void> go_on = this_task::check();
    if (go_on) {
      switch (way.move()) {
        case passage::state::ended:
          co_return way.copied();
        case passage::state::failed:
          go_on = fail(error_from(std::error_code(way.error_number(), std::system_category())));
          break;
        case passage::state::turn_is_over:
          co_await yield();
          break;
        case passage::state::from_is_empty:
          go_on = co_await in.async_wait(asio::posix::stream_descriptor::wait_read, use_task);
          break;
        case passage::state::to_is_full:
          go_on = co_await out.async_wait(asio::posix::stream_descriptor::wait_write, use_task);
          break;
      }
    }
    if (!go_on) co_return fail(unfinished(std::move(go_on).error(), way));
  }
}

}  // namespace tandem
