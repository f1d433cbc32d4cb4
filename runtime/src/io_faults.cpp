#include "io_faults.hpp"

#include <atomic>

namespace tandem::detail {
namespace {

constinit std::atomic<io_fault_source> installed{nullptr};

}  // namespace

void set_io_faults(io_fault_source source) noexcept { installed.store(source, std::memory_order_release); }

io_fault io_fault_for(io_call what, const char* path) noexcept {
  const io_fault_source source = installed.load(std::memory_order_acquire);
  return source ? source(what, path) : io_fault();
}

}  // namespace tandem::detail
