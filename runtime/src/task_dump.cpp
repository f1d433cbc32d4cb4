#include <tandem/runtime/task_dump.hpp>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/runtime.hpp>

#include "scheduler.hpp"
#include "signals.hpp"

namespace tandem {
namespace {

// The handler only adds to an event counter; a thread that sleeps in read() does what a handler must not.
// Relaxed: set before the handler is installed, and never again.
std::atomic<int> dump_wanted{-1};

extern "C" void ask_for_dump(int) {
  const int saved = errno;
  const std::uint64_t one = 1;
  // It fails only if the counter is full, and then a dump is due anyway.
  [[maybe_unused]] const ssize_t written = write(dump_wanted.load(std::memory_order_relaxed), &one, sizeof(one));
  errno = saved;
}

void print_dumps(int wanted) {
  for (;;) {
    std::uint64_t times = 0;
    const ssize_t n = read(wanted, &times, sizeof(times));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return;
    try {
      const std::string text = dump_tasks();
      std::fwrite(text.data(), 1, text.size(), stderr);
      std::fflush(stderr);
    } catch (...) {
      std::fputs("tandem: no memory to dump the tasks\n", stderr);
    }
  }
}

// The counter is the parent's, too, who would print its tasks for a signal of ours.
void forget_counter() noexcept {
  const int wanted = dump_wanted.exchange(-1, std::memory_order_relaxed);
  if (wanted >= 0) close(wanted);
}

std::string dump(detail::scheduler& s) {
  const detail::task_census census = detail::take_census(s);
  return fmt::format("tandem: {} tasks on {} workers{}\n{}", census.tasks, s.worker_count(),
                     census.exact ? "" : ", which went on meanwhile", detail::describe(census));
}

// Starts the thread that prints. It lives as long as the process: nobody waits for it.
result<void> start_printing() {
  static std::mutex lock;
  const std::lock_guard hold(lock);
  if (dump_wanted.load(std::memory_order_relaxed) >= 0) return {};
  const int wanted = eventfd(0, EFD_CLOEXEC);
  if (wanted < 0) return fail(errc::resource_exhausted, "no descriptor for the task dump's signal");
  try {
    const detail::signals_blocked inherited;
    std::thread(print_dumps, wanted).detach();
  } catch (const std::system_error&) {
    close(wanted);
    return fail(errc::resource_exhausted, "no thread to print task dumps");
  }
  dump_wanted.store(wanted, std::memory_order_relaxed);
  [[maybe_unused]] static const int handled = pthread_atfork(nullptr, nullptr, &forget_counter);
  return {};
}

}  // namespace

std::string dump_tasks() {
  if (detail::is_orphan()) return "tandem: the runtimes are those of the process that forked this one\n";
  std::string text;
  for (const auto& s : detail::all_schedulers()) text += dump(*s);
  return text.empty() ? "tandem: no runtime\n" : text;
}

std::string runtime::dump_tasks() const {
  core_->check_not_orphaned("a dump was asked for");
  return dump(*core_);
}

result<void> print_task_dump_on(int signal) {
  if (auto started = start_printing(); !started) return started;
  struct sigaction action {};
  action.sa_handler = ask_for_dump;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (sigaction(signal, &action, nullptr) != 0)
    return fail(errc::invalid_argument, fmt::format("signal {} cannot be handled", signal));
  return {};
}

}  // namespace tandem
