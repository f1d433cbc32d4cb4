// Puts one thread to sleep until it is woken or a time has come; a wake that comes first is not lost.
#pragma once
#include <cstdint>

#include <tandem/runtime/detail/sync.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::detail {

/// Where a thread may sleep to be woken by other things than unpark() as well.
struct sleeping_place {
  /// Returns when there is something to do here, after wake(), at `deadline` (steady clock), or early for no reason.
  virtual void sleep(time_point deadline) noexcept = 0;
  /// Any thread: ends the sleep() that goes on or, if none does, the next one.
  virtual void wake() noexcept = 0;

 protected:
  ~sleeping_place() = default;
};

class parker {
 public:
  /// `elsewhere` is for park_elsewhere(), and must outlive the parker.
  explicit parker(sleeping_place* elsewhere = nullptr) noexcept : elsewhere_(elsewhere) {}

  /// Sleeps until unpark() or `deadline` (steady clock). Consumes a pending unpark(), and tells if there was one.
  /// Threads: the owner only.   Memory: what came before the unpark() that is consumed is visible.
  bool park(time_point deadline) noexcept;
  /// park(), but sleeps in the other place, and returns when that does.
  bool park_elsewhere(time_point deadline) noexcept;
  void unpark() noexcept;

 private:
  static constexpr std::uint32_t empty_ = 0, parked_ = 1, notified_ = 2, left_ = 3;
  // The owner moves empty -> parked or, for another place, left -> empty; anyone -> notified.
  sync::atomic<std::uint32_t> state_{empty_};
  sleeping_place* const elsewhere_;
};

}  // namespace tandem::detail
