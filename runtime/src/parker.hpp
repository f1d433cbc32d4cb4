// Puts one thread to sleep until it is woken or a time has come; a wake that comes first is not lost.
#pragma once
#include <cstdint>

#include <tandem/runtime/detail/sync.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::detail {

class parker {
 public:
  /// Sleeps until unpark() or `deadline` (steady clock). Consumes a pending unpark(), and tells if there was one.
  /// Threads: the owner only.   Memory: what came before the unpark() that is consumed is visible.
  bool park(time_point deadline) noexcept;
  void unpark() noexcept;

 private:
  static constexpr std::uint32_t empty_ = 0, parked_ = 1, notified_ = 2;
  sync::atomic<std::uint32_t> state_{empty_};  // the owner moves empty -> parked -> empty, anyone -> notified
};

}  // namespace tandem::detail
