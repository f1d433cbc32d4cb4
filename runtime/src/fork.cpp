#include "fork.hpp"

#include <cstdlib>
#include <iterator>
#include <mutex>
#include <string_view>

#include <pthread.h>
#include <sys/uio.h>
#include <unistd.h>

#include "scheduler.hpp"

namespace tandem::detail {

constinit std::atomic<bool> orphaned{false};

namespace {

constinit std::atomic<unsigned> with_threads{0};

// On the only thread of the child. If it is a worker's, its task may still exec; the worker ends when that suspends.
void enter_child() noexcept {
  if (with_threads.load(std::memory_order_relaxed) == 0) return;
  orphaned.store(true, std::memory_order_relaxed);
  if (scheduler* const here = current_scheduler(); here && !here->manual()) here->hands().stop();
}

}  // namespace

// Other threads may have held any lock when it was forked, those of stdio as well.
void abort_orphan(const char* what) noexcept {
  const auto part = [](std::string_view text) {
    return iovec{const_cast<char*>(text.data()), text.size()};
  };
  const iovec text[] = {
      part("tandem: "), part(what),
      part(" in a child of fork(), where no thread of the parent's runtime is: fork before you make a runtime, or call "
           "nothing but exec or _exit in the child\n")};
  [[maybe_unused]] const ssize_t written = writev(STDERR_FILENO, text, std::size(text));
  std::abort();
}

has_threads::has_threads() {
  if (is_orphan()) abort_orphan("a runtime was made");
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(nullptr, nullptr, &enter_child); });
  with_threads.fetch_add(1, std::memory_order_relaxed);
}

has_threads::~has_threads() { with_threads.fetch_sub(1, std::memory_order_relaxed); }

}  // namespace tandem::detail
