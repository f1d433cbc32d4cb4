// Which pools there are: threads that end give their parts back to those that still live.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

namespace tandem::sync::detail {
class pool_core;
}  // namespace tandem::sync::detail

namespace tandem::sync::internal {

class pool_registry {
 public:
  /// Never destroyed: threads may end after main().
  static pool_registry& instance() {
    static pool_registry* const all = new pool_registry;
    return *all;
  }

  std::uint64_t next_id() {
    const std::lock_guard hold(lock_);
    return ++last_id_;
  }

  std::size_t add(detail::pool_core& core, std::uint64_t id) {
    const std::lock_guard hold(lock_);
    for (std::size_t i = 0; i < pools_.size(); ++i)
      if (!pools_[i].core) {
        pools_[i] = {&core, id};
        return i;
      }
    pools_.push_back({&core, id});
    return pools_.size() - 1;
  }

  void remove(std::size_t slot) noexcept {
    const std::lock_guard hold(lock_);
    pools_[slot] = {};
  }

  /// Calls `f` with the pool, which lives during the call, unless it is gone.
  template <class F>
  void visit(std::size_t slot, std::uint64_t id, F f) noexcept {
    const std::lock_guard hold(lock_);
    if (pools_[slot].id == id) f(*pools_[slot].core);
  }

 private:
  struct pool {
    detail::pool_core* core = nullptr;
    std::uint64_t id = 0;
  };
  std::mutex lock_;
  std::uint64_t last_id_ = 0;  // guarded by lock_, as all that follows
  std::vector<pool> pools_;
};

}  // namespace tandem::sync::internal
