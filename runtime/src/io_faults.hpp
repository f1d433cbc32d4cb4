// For tests: failures of the kernel that cannot be had from it when they are needed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <limits>

namespace tandem::detail {

// submit: of a batch to the ring, on the thread that sends it.
enum class io_call : std::uint8_t { open, size, read, write, sync, truncate, close, rename, splice, submit };

/// What happens to a call instead of what the kernel would do.
struct io_fault {
  int error = 0;                                               // fails with this errno, and nothing is done
  std::size_t most = std::numeric_limits<std::size_t>::max();  // reads or writes no more than this
};

/// Asked before every call on a file, on the thread that is about to make it.
using io_fault_source = io_fault (*)(io_call what, const char* path) noexcept;

/// Null: there are none, as in every program that is no test. Threads: while no file is in use.
void set_io_faults(io_fault_source source) noexcept;

[[nodiscard]] io_fault io_fault_for(io_call what, const char* path) noexcept;

}  // namespace tandem::detail
