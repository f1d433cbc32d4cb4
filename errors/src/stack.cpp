// unwind.hpp walks the stack, libbacktrace looks up names. Boost.Stacktrace's backend for it is not used: it keeps a
// copy of the debug information for every thread that prints, and names the caller instead of the function where a call
// was inlined.
#include <tandem/errors/stack.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <mutex>
#include <string_view>
#include <utility>

#include <boost/core/demangle.hpp>
#include <fmt/format.h>

#include "coroutine_name.hpp"
#include "unwind.hpp"

#ifdef TANDEM_HAVE_LIBBACKTRACE
#include <backtrace.h>
#else
#include <boost/stacktrace/frame.hpp>
#endif

namespace tandem {
namespace {

using internal::readable_function;

// release/acquire: what the runtime set up before it installed the walk is visible to whoever calls it.
std::atomic<task_walk> current_task_walk{nullptr};

struct place {
  std::string function;
  std::string file;
  int line = 0;
};

#ifdef TANDEM_HAVE_LIBBACKTRACE
void ignore_failure(void*, const char*, int) {}

// Called for every function that has the address, innermost first: those that were inlined there, then the one itself.
int take_function(void* out, std::uintptr_t, const char* file, int line, const char* function) {
  place found;
  if (function != nullptr) found.function = function;
  if (file != nullptr) {
    found.file = file;
    found.line = line;
  }
  static_cast<std::vector<place>*>(out)->push_back(std::move(found));
  return 0;
}

// The symbol has the full name where debug information may have only the last part.
void take_symbol(void* out, std::uintptr_t, const char* symbol, std::uintptr_t, std::uintptr_t) {
  if (symbol != nullptr) static_cast<std::vector<place>*>(out)->back().function = symbol;
}

std::vector<place> look_up_names(const void* address) {
  // One state for the process, never freed as libbacktrace has no call for that. It reads the debug information once,
  // at the first use; the lock is cheaper to trust than the library's own threaded mode.
  static std::mutex mutex;
  static backtrace_state* const state = backtrace_create_state(nullptr, 0, ignore_failure, nullptr);
  std::vector<place> found;
  const auto pc = reinterpret_cast<std::uintptr_t>(address);
  const std::lock_guard lock(mutex);
  if (state != nullptr) backtrace_pcinfo(state, pc, take_function, ignore_failure, &found);
  if (found.empty()) found.emplace_back();
  if (state != nullptr) backtrace_syminfo(state, pc, take_symbol, ignore_failure, &found);
  for (place& p : found)
    if (!p.function.empty()) p.function = boost::core::demangle(p.function.c_str());
  return found;
}
#else
std::vector<place> look_up_names(const void* address) { return {{boost::stacktrace::frame(address).name(), {}, 0}}; }
#endif

// For what libbacktrace does not know, such as libraries that were loaded after its first use: the name that the library
// exports, or "MODULE+0xOFFSET", which means something outside of this process too; the bare address in no module.
std::string describe_unnamed(const void* address) {
  Dl_info module{};
  if (dladdr(address, &module) == 0 || module.dli_fname == nullptr) return fmt::format("{}", address);
  if (module.dli_sname != nullptr) return boost::core::demangle(module.dli_sname);
  const std::string_view path = module.dli_fname;
  const auto offset = static_cast<const char*>(address) - static_cast<const char*>(module.dli_fbase);
  return fmt::format("{}+{:#x}", path.substr(path.rfind('/') + 1), offset);
}

// "function at file:line" for every function that has the address, innermost first; at least one.
std::vector<std::string> describe(const void* address) {
  std::vector<std::string> lines;
  for (place& p : look_up_names(address)) {
    std::string text = readable_function(std::move(p.function));
    if (text.empty()) text = describe_unnamed(address);
    if (!p.file.empty()) text += fmt::format(" at {}:{}", p.file, p.line);
    lines.push_back(std::move(text));
  }
  return lines;
}

const void* call_before(const void* return_address) {
  // The return address may already belong to the next line, or the next function.
  return static_cast<const char*>(return_address) - 1;
}

// Every stack of a fail() begins with it, and every stack of a thread ends with what started the thread: no news.
void drop_ends(std::vector<std::string>& lines) {
  constexpr std::string_view first[] = {"tandem::fail("};
  constexpr std::string_view last[] = {"__libc_start_call_main", "__libc_start_main", "_start", "start_thread", "clone"};
  const auto begins_with_any_of = [](const std::string& line, std::span<const std::string_view> names) {
    return std::ranges::any_of(names, [&](std::string_view name) { return line.starts_with(name); });
  };
  while (lines.size() > 1 && begins_with_any_of(lines.back(), last)) lines.pop_back();
  if (lines.size() > 1 && begins_with_any_of(lines.front(), first)) lines.erase(lines.begin());
}

}  // namespace

// noinline, so that `skip` counts the same frames in every build.
[[gnu::noinline]] stack_trace stack_trace::capture(std::size_t skip) noexcept {
  stack_trace stack;
  task_trace task;
  std::array<const void*, max_awaiters> awaiters;
  task.awaiters = awaiters;
  if (const task_walk walk = current_task_walk.load(std::memory_order_acquire)) walk(task);

  // Room for the calls to skip, this function, and unwind() itself while it looks.
  constexpr std::size_t max_skip = 8;
  std::array<const void*, max_calls + max_skip + 2> found;
  const std::size_t own = std::min(skip, max_skip) + 1;
  const std::span<const void*> calls(found.data(), internal::unwind({found.data(), max_calls + own + 1}));
  const auto end = std::ranges::find_if(calls, [&task](const void* address) {
    return std::less_equal()(task.scheduler_begin, address) && std::less()(address, task.scheduler_end);
  });
  for (auto call = calls.begin() + std::min(own, calls.size()); call < end && stack.calls_ < max_calls; ++call)
    stack.addresses_[stack.calls_++] = *call;
  stack.awaiters_ = static_cast<std::uint8_t>(std::min(task.awaiter_count, max_awaiters));
  std::copy_n(awaiters.begin(), stack.awaiters_, stack.addresses_.begin() + stack.calls_);
  stack.task_name_ = task.task_name;
  stack.spawn_site_ = task.spawn_site;
  return stack;
}

void set_task_walk(task_walk walk) noexcept { current_task_walk.store(walk, std::memory_order_release); }

std::string describe_address(const void* address) { return std::move(describe(address).front()); }

std::vector<std::string> describe_stack(const stack_parts& stack) {
  std::vector<std::string> lines;
  for (const void* address : stack.calls) {
    std::vector<std::string> inlined = describe(call_before(address));
    std::ranges::move(inlined, std::back_inserter(lines));
  }
  drop_ends(lines);
  // A coroutine awaits in calls that are inlined into it: only the outermost function is what its author wrote.
  for (const void* address : stack.awaiters) lines.push_back("awaited by " + describe(address).back());
  if (stack.task_name != nullptr) {
    lines.push_back(fmt::format("task {} spawned by {} at {}:{}", stack.task_name,
                                readable_function(stack.spawn_site.function_name()), stack.spawn_site.file_name(),
                                stack.spawn_site.line()));
  }
  return lines;
}

}  // namespace tandem
