#include <tandem/runtime/detail/pool.hpp>

#include "block_heap.hpp"

namespace tandem::detail {

#if TANDEM_NESTED_RESUME  // a sanitizer must see each allocation

void* pool_allocate(std::size_t bytes) { return ::operator new(bytes); }
void pool_free(void* memory, std::size_t) noexcept { ::operator delete(memory); }

#else

using frame_heap = block_heap<struct frames>;

void* pool_allocate(std::size_t bytes) { return frame_heap::allocate(bytes); }
void pool_free(void* memory, std::size_t bytes) noexcept { frame_heap::free(memory, bytes); }

#endif

}  // namespace tandem::detail
