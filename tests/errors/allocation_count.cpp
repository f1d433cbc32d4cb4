#include <errors/allocation_count.hpp>

#include <cstdlib>
#include <new>

namespace {
thread_local std::size_t count = 0;
thread_local std::size_t bytes = 0;
}

namespace tandem::testing {
std::size_t allocation_count() noexcept { return count; }
std::size_t allocated_bytes() noexcept { return bytes; }
}  // namespace tandem::testing

void* operator new(std::size_t size) {
  ++count;
  bytes += size;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
