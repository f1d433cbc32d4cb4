#include <tandem/runtime/detail/pool.hpp>

#include <array>
#include <mutex>
#include <new>
#include <vector>

#include <tandem/runtime/detail/config.hpp>

namespace tandem::detail {

#if TANDEM_NESTED_RESUME  // a sanitizer must see each allocation

void* pool_allocate(std::size_t bytes) { return ::operator new(bytes); }
void pool_free(void* memory, std::size_t) noexcept { ::operator delete(memory); }

#else
namespace {

constexpr std::size_t step = 16;            // sizes are rounded up to a multiple
constexpr std::size_t classes = 64;         // up to 1024 bytes; larger ones go to operator new
constexpr std::size_t batch = 64;           // blocks that move between a thread and the depot at a time
constexpr std::size_t chunk_bytes = 65536;  // what the depot takes from the system at a time

struct block {
  block* next;
};

// A chain of up to `batch` free blocks of one class.
struct chain {
  block* first = nullptr;
  std::size_t length = 0;
};

// Where threads exchange chains. Never destroyed: frames may be freed by threads that outlive main().
class depot {
 public:
  chain take(std::size_t index) {
    {
      const std::lock_guard hold(lock_);
      if (!chains_[index].empty()) {
        const chain c = chains_[index].back();
        chains_[index].pop_back();
        return c;
      }
    }
    return carve(index);
  }

  void give(std::size_t index, chain c) noexcept {
    const std::lock_guard hold(lock_);
    chains_[index].push_back(c);
  }

 private:
  // Cuts a fresh chunk into chains: the first is returned, the others are kept.
  chain carve(std::size_t index) {
    const std::size_t size = (index + 1) * step;
    auto* at = static_cast<std::byte*>(::operator new(chunk_bytes));
    std::size_t left = chunk_bytes / size;
    chain result;
    while (left > 0) {
      chain c;
      while (left > 0 && c.length < batch) {
        auto* b = reinterpret_cast<block*>(at);
        b->next = c.first;
        c.first = b;
        ++c.length;
        at += size;
        --left;
      }
      if (!result.first) {
        result = c;
      } else {
        give(index, c);
      }
    }
    return result;
  }

  std::mutex lock_;
  std::array<std::vector<chain>, classes> chains_;  // guarded by lock_
};

depot& the_depot() {
  static depot* const instance = new depot;
  return *instance;
}

// A thread's own lists: `current` serves, `spare` keeps one full chain so that alloc/free at the border of a batch does
// not go to the depot each time.
struct thread_lists {
  std::array<chain, classes> current;
  std::array<chain, classes> spare;

  ~thread_lists() {
    for (std::size_t i = 0; i < classes; ++i) {
      if (current[i].first) the_depot().give(i, current[i]);
      if (spare[i].first) the_depot().give(i, spare[i]);
      current[i] = spare[i] = {};
    }
    gone = true;
  }
  bool gone = false;  // frees that come after the destructor, from other thread_locals, go to the depot directly
};
thread_local thread_lists lists;

}  // namespace

void* pool_allocate(std::size_t bytes) {
  const std::size_t index = (bytes + step - 1) / step - 1;
  if (index >= classes) return ::operator new(bytes);
  // For other thread_locals' destructors: the lists are gone, but what is freed may go to the depot.
  if (lists.gone) [[unlikely]]
    return ::operator new((index + 1) * step);
  chain& mine = lists.current[index];
  if (!mine.first) [[unlikely]] {
    if (lists.spare[index].first) {
      mine = lists.spare[index];
      lists.spare[index] = {};
    } else {
      mine = the_depot().take(index);
    }
  }
  block* const b = mine.first;
  mine.first = b->next;
  --mine.length;
  return b;
}

void pool_free(void* memory, std::size_t bytes) noexcept {
  const std::size_t index = (bytes + step - 1) / step - 1;
  if (index >= classes) {
    ::operator delete(memory);
    return;
  }
  auto* const b = static_cast<block*>(memory);
  if (lists.gone) [[unlikely]] {
    b->next = nullptr;
    the_depot().give(index, {b, 1});
    return;
  }
  chain& mine = lists.current[index];
  if (mine.length == batch) [[unlikely]] {
    if (lists.spare[index].first) the_depot().give(index, lists.spare[index]);
    lists.spare[index] = mine;
    mine = {};
  }
  b->next = mine.first;
  mine.first = b;
  ++mine.length;
}

#endif

}  // namespace tandem::detail
