// Idle objects of one kind: a few in each thread's own part, the rest shared, freed after a while.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::sync::detail {

struct pool_limits {
  std::size_t most_shared;     // idle objects in the shared part
  std::size_t most_of_thread;  // and in each thread's; 1 to pool_part::capacity
  duration generation;
};

/// What a thread keeps of one pool. Others come to it when the pool is trimmed or destroyed, so it has a lock, which
/// costs little as hardly anybody contends for it.
struct alignas(64) pool_part {
  static constexpr std::size_t capacity = 8;
  struct idle_object {
    void* object;
    std::uint64_t generation;  // in which it was given back
  };
  tandem::detail::spin_lock lock;  // guards all but next and in_use
  bool closed = false;
  std::uint32_t operations = 0;
  std::int64_t out = 0;  // objects taken here less those given back here
  std::size_t count = 0;
  std::array<idle_object, capacity> idle{};
  pool_part* next = nullptr;  // of the same pool; constant once listed
  bool in_use = true;         // by a thread; guarded by the pool's lock
};

/// The idle objects of a pool, and how many are out. Knows nothing of what they are.
///
/// (G1) An object that was given back in generation g is freed at the end of generation g + 1 if nobody took it. So it
///      is idle for one to two generations.
/// (G2) An object that is out keeps the core alive: a thread's last touch of the core in give() is to count it as back,
///      under its part's lock. close() counts what is out under the same locks, one after the other, and closes each;
///      what comes back to a closed part is counted by left_.
/// (G3) Locks are taken in this order: the registry of pools, lock_, a part's lock. Objects are freed under none.
///
/// Threads: any.
class pool_core {
 public:
  /// Frees an object; `argument` is that of the constructor.
  using free_function = void (*)(void* object, std::size_t argument) noexcept;

  /// Errors: throws std::invalid_argument for a generation that is not positive.
  pool_core(free_function free, std::size_t argument, const pool_limits& limits);
  pool_core(const pool_core&) = delete;
  pool_core& operator=(const pool_core&) = delete;

  /// An idle object or null; the caller makes one then. Either way one more is out.
  [[nodiscard]] void* take();
  /// One that was out comes back, to be kept or freed. Null: it was not made, or is gone.
  void give(void* object) noexcept;

  /// Ends a generation (G1).
  void trim() noexcept;
  [[nodiscard]] std::size_t idle() const;

  /// In the place of a destructor, once nobody takes any more: frees what is idle. The core goes with the last object
  /// that is out, which give() frees then.
  void close() noexcept;

 protected:
  virtual ~pool_core();

 private:
  using idle_object = pool_part::idle_object;
  class doomed;
  struct leave_at_end;

  [[nodiscard]] pool_part* own_part();
  [[nodiscard]] pool_part* make_part();
  void give_shared(const idle_object* objects, std::size_t n, doomed& rest) noexcept;
  void give_without_part(void* object) noexcept;
  void give_closed(void* object) noexcept;
  void give_slowly(pool_part& part, void* object) noexcept;
  void leave(pool_part& part, doomed& rest) noexcept;
  void notice_time() noexcept;
  [[nodiscard]] bool take_expired(doomed& into) noexcept;
  [[nodiscard]] bool expired(const idle_object& o) const noexcept;
  [[nodiscard]] std::uint64_t generation() const noexcept;

  const free_function free_;
  const std::size_t argument_;
  const pool_limits limits_;
  const std::uint64_t id_;  // never used again
  const std::size_t slot_;  // in each thread's table of parts; used again by other pools

  std::atomic<std::uint64_t> generation_{0};
  std::atomic<duration::rep> ends_;  // the generation, on the clock of now()
  std::atomic<std::int64_t> left_{0};

  mutable std::mutex lock_;
  bool closed_ = false;   // guarded by lock_, as all that follows
  std::int64_t out_ = 0;  // as a part's, for threads without
  std::vector<idle_object> shared_;
  pool_part* parts_ = nullptr;  // never gets shorter
};

}  // namespace tandem::sync::detail
