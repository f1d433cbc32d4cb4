// Counts the calls of operator new in a thread, to test what claims not to allocate.
#pragma once
#include <cstddef>

namespace tandem::testing {

/// The number of allocations this thread has made so far.
[[nodiscard]] std::size_t allocation_count() noexcept;

}  // namespace tandem::testing
