// The actors of a system by their ids, and how many there are.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <tandem/actors/detail/target.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>

namespace tandem::actors::detail {

class cell;

/// An id is the number of a slot and how often that was used before, so none is given twice, and finding takes the same
/// time however many actors there are. A worker takes slots from a shard of its own.
///
/// (B1) A cell is in the table from publish() to withdraw(); it stays in memory while its slot's lock is held.
/// (B2) Slots are never unmade, and a segment of them is published by the store to `segments`: so a slot can be looked
///      at without the shard's lock.
/// (B3) A shard is over once it is closed and empty. Nothing is reserved in it any more, and whoever makes it over, and
///      only he, counts it in over_.
class cell_table {
 public:
  cell_table() = default;
  cell_table(const cell_table&) = delete;
  cell_table& operator=(const cell_table&) = delete;

  /// An id for one more actor; 0 if there cannot be one because the table is closed.   Errors: throws std::bad_alloc.
  [[nodiscard]] std::uint64_t reserve();
  void publish(cell& c) noexcept;
  /// It need not be there.
  void withdraw(const cell& c) noexcept;
  /// Ends what reserve() began. True, once: the table was closed, and that was the last.
  [[nodiscard]] bool release(std::uint64_t id) noexcept;

  /// From now on, what ends makes room for nobody. True, once: there is none.
  [[nodiscard]] bool close() noexcept;
  /// Of some moment.
  [[nodiscard]] std::size_t size() const noexcept;

  /// Null if it is not there or about to be destroyed.
  [[nodiscard]] local_target_ptr find(std::uint64_t id) const noexcept;
  [[nodiscard]] std::vector<local_target_ptr> everybody() const;
  /// Under the lock of its slot, for each: `visit` takes no other of them.
  void visit(const std::function<void(cell&)>& visit) const;

 private:
  struct slot {
    tandem::detail::spin_lock lock;
    std::uint32_t uses = 0;     // B1; changed between release() and reserve() only, under the shard's lock
    cell* there = nullptr;      // guarded by lock
    slot* next_free = nullptr;  // guarded by the shard's lock
    std::uint32_t number = 0;   // constant
  };
  static constexpr std::uint32_t shards = 16;
  static constexpr std::uint32_t first_segment = 64;
  static constexpr std::size_t most_segments = 22;  // each twice as large as the one before: 2^28 actors in a shard

  struct alignas(64) shard {
    mutable tandem::detail::spin_lock lock;
    // Guarded by lock, atomics for writing.
    bool closed = false;
    slot* free = nullptr;
    std::atomic<std::uint32_t> made{0};
    std::atomic<std::uint32_t> live{0};
    std::array<std::atomic<slot*>, most_segments> segments{};
    ~shard();
  };

  [[nodiscard]] static std::uint32_t number_of(std::uint64_t id) noexcept { return static_cast<std::uint32_t>(id); }
  [[nodiscard]] slot* slot_of(std::uint32_t number) const noexcept;
  void add_segment(shard& s, std::uint32_t index);
  [[nodiscard]] bool one_is_over() noexcept;

  std::array<shard, shards> shards_;
  std::atomic<std::uint32_t> over_{0};  // B3
};

}  // namespace tandem::actors::detail
