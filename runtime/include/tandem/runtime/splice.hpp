// Copying between sockets and pipes in the kernel: the bytes never come to the program.
#pragma once
#include <concepts>
#include <cstdint>
#include <string>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem {

/// What a copy() that failed had done: `e.as<unfinished_copy>()`.
struct unfinished_copy {
  std::uint64_t copied = 0;  ///< Bytes that `to` has taken.
  std::string held;          ///< Bytes that came after those: taken from `from`, and not taken by `to`.
};

/// Copies what comes from `from` to `to`, until `from` ends; gives the number of bytes. By splice(2), through a pipe
/// that is borrowed while there are bytes on their way; by read and write where the descriptors do not take that.
///
/// Neither is closed or shut down: `shutdown(to, SHUT_WR)`, which tells the peer of the end, is the caller's. Both are
/// made non-blocking, and stay so.
///
/// Owns:     a duplicate of each descriptor. So closing one of them meanwhile changes nothing; to stop it, end its
///           context.
/// Threads:  several copies may run at once, also in both directions between the same two. Whoever else reads from
///           `from` takes bytes away from it.
/// Order:    bytes arrive in the order in which they came.
/// Suspends: while `from` has nothing or `to` takes nothing, and now and then to let others run.
/// Cancel:   safe: no byte is lost. Those that `to` does not take at once are in the error's unfinished_copy.
/// Errors:   errc::cancelled, errc::deadline_exceeded and those of the system (errc::unavailable if a peer is gone,
///           errc::resource_exhausted without descriptors), all with an unfinished_copy. Without one, as nothing was
///           begun: errc::invalid_argument for regular files and the like, of which nobody can tell when they are ready
///           (read those as a tandem::file), and for sockets of datagrams; errc::failed_precondition for what is no descriptor. Throws
///           std::system_error if io() cannot be had.
[[nodiscard]] task<result<std::uint64_t>> copy(int from, int to);

/// The same for Asio's sockets and stream descriptors, and whatever else has such a handle.
template <class From, class To>
  requires requires(From& from, To& to) {
    { from.native_handle() } -> std::convertible_to<int>;
    { to.native_handle() } -> std::convertible_to<int>;
  }
[[nodiscard]] task<result<std::uint64_t>> copy(From& from, To& to) {
  return copy(static_cast<int>(from.native_handle()), static_cast<int>(to.native_handle()));
}

}  // namespace tandem
