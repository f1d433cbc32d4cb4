// The return addresses on the calling thread's stack.
#pragma once
#include <cstddef>
#include <span>

namespace tandem::internal {

/// Fills `out` with the return addresses of the callers, innermost first, beginning with an address in the function that
/// calls this one. Gives their number. Never allocates.
[[gnu::noinline]] std::size_t unwind(std::span<const void*> out) noexcept;

}  // namespace tandem::internal
