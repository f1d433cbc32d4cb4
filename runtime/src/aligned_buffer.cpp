#include <tandem/runtime/aligned_buffer.hpp>

#include <bit>
#include <cstring>
#include <limits>
#include <new>
#include <stdexcept>

#include <fmt/format.h>

namespace tandem {
namespace {

std::size_t checked(std::size_t alignment) {
  if (!std::has_single_bit(alignment))
    throw std::invalid_argument(fmt::format("tandem: a buffer cannot be aligned to {}: give a power of two", alignment));
  return alignment;
}

std::size_t rounded_up(std::size_t bytes, std::size_t step) {
  const std::size_t missing = (step - bytes % step) % step;
  if (missing > std::numeric_limits<std::size_t>::max() - bytes) throw std::bad_alloc();
  return bytes + missing;
}

}  // namespace

aligned_buffer::aligned_buffer(std::size_t bytes, std::size_t alignment)
    : data_(static_cast<std::byte*>(::operator new(bytes, std::align_val_t(checked(alignment))))),
      size_(bytes),
      alignment_(alignment) {
  std::memset(data_, 0, size_);
}

aligned_buffer::aligned_buffer(io_alignment fitting, std::size_t bytes)
    : aligned_buffer(rounded_up(bytes, checked(fitting.offset)), fitting.memory) {}

aligned_buffer::~aligned_buffer() {
  if (data_) ::operator delete(data_, size_, std::align_val_t(alignment_));
}

}  // namespace tandem
