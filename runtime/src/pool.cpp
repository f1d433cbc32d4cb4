#include <tandem/runtime/detail/pool.hpp>

#include "block_heap.hpp"

namespace tandem::detail {

#if TANDEM_NESTED_RESUME  // a sanitizer must see each allocation

void* pool_allocate(std::size_t bytes) { return ::operator new(bytes); }
void pool_free(void* memory, std::size_t) noexcept { ::operator delete(memory); }

#else

using pool_heap = block_heap<pool_bins>;

constinit thread_local block_bins pool_bins::current;

void* pool_refill(std::size_t bytes) { return pool_heap::allocate(bytes); }
void pool_make_room(void* memory, std::size_t bytes) noexcept { pool_heap::free(memory, bytes); }

#endif

}  // namespace tandem::detail
