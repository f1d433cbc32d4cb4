#include <tandem/runtime/detail/task_origin.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace tandem::detail {
namespace {

// Literals and sites are told apart by address: equal ones of several translation units just get several numbers.
using key = std::pair<std::uintptr_t, std::uintptr_t>;

static_assert(sizeof(std::source_location) == sizeof(std::uintptr_t), "a source_location is a pointer to a constant");

key key_of(const char* name, const std::source_location& site) noexcept {
  return {reinterpret_cast<std::uintptr_t>(name), std::bit_cast<std::uintptr_t>(site)};
}

/// Numbers are given under the lock, and looked up without it: pages of entries never move.
class origin_table {
 public:
  origin_table() { (void)add("(one of too many names)", {}); }

  origin_id add(const char* name, const std::source_location& site) {
    const std::lock_guard hold(lock_);
    if (next_ == pages_.size() * page_size) return unnamed;
    const auto [at, is_new] = ids_.try_emplace(key_of(name, site), next_);
    if (!is_new) return at->second;
    try {
      std::atomic<task_origin*>& page = pages_[next_ / page_size];
      if (next_ % page_size == 0)
        page.store(std::make_unique<task_origin[]>(page_size).release(), std::memory_order_release);
      page.load(std::memory_order_relaxed)[next_ % page_size] = {name, site};
    } catch (...) {
      ids_.erase(at);
      throw;
    }
    return next_++;
  }

  // Whoever has a number got it, directly or from another thread, after its entry was written; acquire is for the page.
  [[nodiscard]] const task_origin& at(origin_id id) const noexcept {
    assert(id / page_size < pages_.size());
    return pages_[id / page_size].load(std::memory_order_acquire)[id % page_size];
  }

 private:
  static constexpr std::size_t page_size = 1024;
  static constexpr origin_id unnamed = 0;  // for those that come when the table is full: four million names later

  std::mutex lock_;
  std::map<key, origin_id> ids_;  // guarded by lock_
  origin_id next_ = 0;            // guarded by lock_
  std::array<std::atomic<task_origin*>, 4096> pages_{};
};

// Never destroyed: threads that outlive main() may report tasks.
origin_table& the_table() {
  static origin_table* const made = new origin_table;
  return *made;
}

struct cached {
  key what{};  // of no origin: there is no site at address zero
  origin_id id = 0;
};

}  // namespace

origin_id id_of_origin(const char* name, const std::source_location& site) {
  if (!name) name = "task";
  static thread_local std::array<cached, 64> cache;  // by place, so that a spawn in a loop finds its own
  const key wanted = key_of(name, site);
  const std::uint64_t mixed = (wanted.first ^ (wanted.second << 1)) * 0x9e3779b97f4a7c15U;
  cached& slot = cache[mixed >> 58];
  if (slot.what != wanted) [[unlikely]]
    slot = {wanted, the_table().add(name, site)};
  return slot.id;
}

const task_origin& origin_of(origin_id id) noexcept { return the_table().at(id); }

}  // namespace tandem::detail
