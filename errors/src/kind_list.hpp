// The declared kinds of the process.
#pragma once
#include <mutex>

#include <tandem/errors/kind.hpp>

namespace tandem {

// Constant-initialized and never destroyed, as kinds come before main() and may go after it.
struct kind_list {
  // Calls use(const kind&) for each declared kind, under the lock, in no particular order.
  template <class Use>
  static void for_each(Use use) {
    const std::lock_guard hold(lock);
    for (const kind* k = first; k != nullptr; k = k->next_) use(*k);
  }

  static void add(kind& added) noexcept;
  static void remove(kind& removed) noexcept;

  static constinit std::mutex lock;
  static constinit kind* first;  // guarded by `lock`
};

}  // namespace tandem
