// Boost.Stacktrace walks the stack and, where libbacktrace is not to be had, looks up names. Its own libbacktrace
// backend is not used: it keeps a copy of the debug information for every thread that prints, and names the caller
// instead of the function where a call was inlined.
#include <tandem/errors/stack.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include <boost/core/demangle.hpp>
#include <boost/stacktrace/safe_dump_to.hpp>
#include <fmt/format.h>

#ifdef TANDEM_HAVE_LIBBACKTRACE
#include <backtrace.h>
#else
#include <boost/stacktrace/frame.hpp>
#endif

namespace tandem {
namespace {

// release/acquire: what the runtime set up before it installed the walk is visible to whoever calls it.
std::atomic<task_walk> current_task_walk{nullptr};

struct place {
  std::string function;
  std::string file;
  int line = 0;
};

#ifdef TANDEM_HAVE_LIBBACKTRACE
void ignore_failure(void*, const char*, int) {}

struct search {
  place found;
  int functions = 0;  // more than one if calls were inlined at the address
};

// Called for every function that has the address, innermost first.
int take_function(void* out, std::uintptr_t, const char* file, int line, const char* function) {
  auto& state = *static_cast<search*>(out);
  if (state.functions++ > 0) return 0;
  if (function != nullptr) state.found.function = function;
  if (file != nullptr) {
    state.found.file = file;
    state.found.line = line;
  }
  return 0;
}

void take_symbol(void* out, std::uintptr_t, const char* symbol, std::uintptr_t, std::uintptr_t) {
  if (symbol != nullptr) static_cast<search*>(out)->found.function = symbol;
}

place look_up(const void* address) {
  // One state for the process, never freed as libbacktrace has no call for that. It reads the debug information once,
  // at the first use; the lock is cheaper to trust than the library's own threaded mode.
  static std::mutex mutex;
  static backtrace_state* const state = backtrace_create_state(nullptr, 0, ignore_failure, nullptr);
  if (state == nullptr) return {};
  search result;
  const auto pc = reinterpret_cast<std::uintptr_t>(address);
  const std::lock_guard lock(mutex);
  backtrace_pcinfo(state, pc, take_function, ignore_failure, &result);
  // The symbol has the full name where debug information may have only the last part, but it is the outermost function.
  if (result.functions <= 1) backtrace_syminfo(state, pc, take_symbol, ignore_failure, &result);
  std::string& function = result.found.function;
  if (!function.empty()) function = boost::core::demangle(function.c_str());
  return std::move(result.found);
}
#else
place look_up(const void* address) { return {boost::stacktrace::frame(address).name(), {}, 0}; }
#endif

const void* call_before(const void* return_address) {
  // The return address may already belong to the next line, or the next function.
  return static_cast<const char*>(return_address) - 1;
}

}  // namespace

// noinline, so that `skip` counts the same frames in every build.
[[gnu::noinline]] stack_trace stack_trace::capture(std::size_t skip) noexcept {
  stack_trace stack;
  // The dump ends with a null, for which the first of the awaiters' places lends room.
  const std::size_t dumped = boost::stacktrace::safe_dump_to(skip + 1, stack.addresses_.data(),
                                                             (max_calls + 1) * sizeof(const void*));
  stack.calls_ = static_cast<std::uint8_t>(std::max<std::size_t>(dumped, 1) - 1);
  if (const task_walk walk = current_task_walk.load(std::memory_order_acquire)) {
    task_trace task;
    task.awaiters = {stack.addresses_.data() + stack.calls_, max_awaiters};
    walk(task);
    stack.awaiters_ = static_cast<std::uint8_t>(std::min(task.awaiter_count, max_awaiters));
    stack.task_name_ = task.task_name;
    stack.spawn_site_ = task.spawn_site;
  }
  return stack;
}

void set_task_walk(task_walk walk) noexcept { current_task_walk.store(walk, std::memory_order_release); }

std::string describe_address(const void* address) {
  place found = look_up(address);
  std::string text = std::move(found.function);
  if (text.empty()) text = fmt::format("{}", address);
  if (!found.file.empty()) text += fmt::format(" at {}:{}", found.file, found.line);
  return text;
}

std::vector<std::string> describe_stack(const stack_parts& stack) {
  std::vector<std::string> lines;
  lines.reserve(stack.calls.size() + stack.awaiters.size() + 1);
  for (const void* address : stack.calls) lines.push_back(describe_address(call_before(address)));
  for (const void* address : stack.awaiters) lines.push_back("awaited by " + describe_address(address));
  if (stack.task_name != nullptr) {
    lines.push_back(fmt::format("task {} spawned by {} at {}:{}", stack.task_name, stack.spawn_site.function_name(),
                                stack.spawn_site.file_name(), stack.spawn_site.line()));
  }
  return lines;
}

}  // namespace tandem
