// Counts what a thread asks operator new for, to test what claims to allocate nothing, or not much.
#pragma once
#include <cstddef>

namespace tandem::testing {

/// The number of allocations this thread has made so far.
[[nodiscard]] std::size_t allocation_count() noexcept;

/// The bytes this thread has allocated so far, whether freed again or not.
[[nodiscard]] std::size_t allocated_bytes() noexcept;

}  // namespace tandem::testing
