#include <tandem/sync/byte_pool.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <new>

namespace tandem::sync {
namespace {

constexpr std::size_t most_bytes_of_thread = std::size_t{64} << 10;

std::byte* allocate(std::size_t bytes) {
  // libstdc++ rounds up to the alignment without a look at the end of the range.
  if (bytes > PTRDIFF_MAX) throw std::bad_alloc();
  return static_cast<std::byte*>(::operator new (bytes, std::align_val_t{byte_pool::alignment}));
}
void free_bytes(void* memory, std::size_t bytes) noexcept {
  ::operator delete (memory, bytes, std::align_val_t{byte_pool::alignment});
}

class core : public detail::pool_core {
 public:
  core(std::size_t size, const byte_pool_options& options)
      : pool_core(&free_bytes, size,
                  {options.most_idle_bytes / size,
                   std::clamp<std::size_t>(most_bytes_of_thread / size, 1, detail::pool_part::capacity),
                   options.generation}) {}
};

}  // namespace

byte_pool::loan::loan(loan&& other) noexcept
    : from_(std::exchange(other.from_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

byte_pool::loan& byte_pool::loan::operator=(loan&& other) noexcept {
  loan old(std::move(*this));
  from_ = std::exchange(other.from_, nullptr);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  capacity_ = std::exchange(other.capacity_, 0);
  return *this;
}

byte_pool::loan::~loan() {
  if (from_)
    from_->give(data_);
  else if (data_)
    free_bytes(data_, capacity_);
}

byte_pool::byte_pool(const byte_pool_options& options) {
  try {
    for (std::size_t i = 0; i < sizes; ++i) cores_[i] = new core(smallest << i, options);
  } catch (...) {
    for (auto* const c : cores_)
      if (c) c->close();
    throw;
  }
}

byte_pool::~byte_pool() {
  for (auto* const c : cores_) c->close();
}

byte_pool::loan byte_pool::get(std::size_t size) {
  loan got;
  if (size == 0) return got;
  if (size > largest) {
    got.data_ = allocate(size);
    got.capacity_ = size;
  } else {
    got.capacity_ = std::bit_ceil(std::max(size, smallest));
    detail::pool_core& from = *cores_[static_cast<std::size_t>(std::countr_zero(got.capacity_ / smallest))];
    got.data_ = static_cast<std::byte*>(from.take());
    got.from_ = &from;  // from here on the loan gives back what it has, if only the count
    if (!got.data_) got.data_ = allocate(got.capacity_);
  }
  got.size_ = size;
  return got;
}

byte_pool::loan byte_pool::get_zeroed(std::size_t size) {
  loan got = get(size);
  if (got.data_) std::memset(got.data_, 0, got.capacity_);
  return got;
}

void byte_pool::trim() noexcept {
  for (auto* const c : cores_) c->trim();
}

std::size_t byte_pool::idle_bytes() const {
  std::size_t n = 0;
  for (std::size_t i = 0; i < sizes; ++i) n += cores_[i]->idle() * (smallest << i);
  return n;
}

}  // namespace tandem::sync
