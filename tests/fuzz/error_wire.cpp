// Any bytes as an encoded error: what decodes can be printed and goes through the next hop unchanged, and no input
// makes decoding allocate more than is promised.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

#include <sanitizer/allocator_interface.h>

#include <tandem/errors/format.hpp>
#include <tandem/errors/wire.hpp>

namespace {

using namespace tandem;

// All limits shrink with max_bytes, and short inputs make for many runs.
constexpr wire_options options{.max_bytes = std::size_t{4} << 10, .node = "fuzz", .audience = wire_audience::node};

// The fuzzer has threads of its own.
thread_local std::size_t allocated = 0;

void count_allocation(const volatile void*, std::size_t size) { allocated += size; }
void ignore_free(const volatile void*) {}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz_error_wire: broken promise: %s\n", what);
  std::abort();
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  (void)__sanitizer_install_malloc_and_free_hooks(count_allocation, ignore_free);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  allocated = 0;
  const auto first = decode_error(std::as_bytes(std::span(data, size)), options);
  require(allocated < 32 * options.max_bytes, "decoding takes less than 32 * max_bytes of memory");
  if (!first) return 0;
  const std::string text = to_long_string(*first);

  const std::string again = encode_error(*first, options);
  require(again.size() <= options.max_bytes, "encoding keeps to max_bytes");
  const auto second = decode_error(bytes_of(again), options);
  require(second.has_value(), "what was encoded can be decoded");
  require(static_cast<bool>(*second) == static_cast<bool>(*first), "an error stays an error");
  require(second->code() == first->code(), "the code arrives");
  if (again.size() + 1024 < options.max_bytes && text.find("layers elided") == std::string::npos)
    require(*second == *first, "what fits arrives whole");
  require(encode_error(*second, options) == again, "a second hop changes nothing");
  return 0;
}
