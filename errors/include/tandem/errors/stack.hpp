// Call stacks as raw addresses: cheap to take, given names only when somebody reads them.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <vector>

namespace tandem {

/// The calls that led to a place, the coroutines that await them, and the task all of them belong to.
///
/// Threads: a value.
class stack_trace {
 public:
  static constexpr std::size_t max_calls = 32;
  static constexpr std::size_t max_awaiters = 16;

  /// An empty stack.
  stack_trace() noexcept {}  // not defaulted: that would clear the addresses

  /// The stack of the caller, innermost call first, without the innermost `skip` calls (at most 8); the outermost are
  /// dropped where max_calls do not suffice. In a task it ends with the running coroutine: what is below belongs to the
  /// scheduler, and the awaiters tell how the task came here.
  ///
  /// Memory: never allocates. Costs about 0.3 microseconds for 32 calls where libunwind 8 is installed, else about 3.
  [[nodiscard]] static stack_trace capture(std::size_t skip = 0) noexcept;

  [[nodiscard]] bool empty() const noexcept { return calls_ == 0 && awaiters_ == 0; }

  /// Return addresses, innermost first.
  [[nodiscard]] std::span<const void* const> calls() const noexcept { return {addresses_.data(), calls_}; }

  /// Addresses inside the awaiting coroutines, where each awaits the one before it, innermost first; empty outside of
  /// tasks.
  [[nodiscard]] std::span<const void* const> awaiters() const noexcept {
    return {addresses_.data() + calls_, awaiters_};
  }

  /// The task's name, for as long as the task lives, and where it was spawned; null outside of tasks.
  [[nodiscard]] const char* task_name() const noexcept { return task_name_; }
  [[nodiscard]] std::source_location spawn_site() const noexcept { return spawn_site_; }

 private:
  std::array<const void*, max_calls + max_awaiters> addresses_;  // calls, then awaiters; the rest is unset
  std::uint8_t calls_ = 0;
  std::uint8_t awaiters_ = 0;
  const char* task_name_ = nullptr;
  std::source_location spawn_site_;
};

/// What a runtime knows about the task that runs on the calling thread.
struct task_trace {
  /// For the walk to fill: the await sites of the awaiting coroutines, innermost first.
  std::span<const void*> awaiters;
  std::size_t awaiter_count = 0;
  const char* task_name = nullptr;  ///< Lives as long as the task; stays null outside of tasks.
  std::source_location spawn_site;
  /// Functions with addresses from the first up to the second are the scheduler's, and run tasks: the stack ends there.
  const void* scheduler_begin = nullptr;
  const void* scheduler_end = nullptr;
};

/// Describes the running task, if there is one. Called on the thread whose stack is taken; must neither allocate nor
/// make errors.
using task_walk = void (*)(task_trace& out) noexcept;

/// Makes every later capture() ask `walk` about the running task; null turns that off. The runtime calls it once.
/// Threads: any. A capture that is under way may still use the old one.
void set_task_walk(task_walk walk) noexcept;

/// "function at file:line" for an address of code; of the innermost function, if calls were inlined there. What is not
/// known is left out: without a function's name it reads "module+0xoffset", and in no module it is the address.
[[nodiscard]] std::string describe_address(const void* address);

/// The parts of a stack_trace, wherever they are kept.
struct stack_parts {
  std::span<const void* const> calls;
  std::span<const void* const> awaiters;
  const char* task_name = nullptr;
  std::source_location spawn_site;
};

/// One text per function: the calls, those that were inlined included, without fail() itself and without what starts
/// threads; then the awaiters, each starting with "awaited by "; then "task NAME spawned by FUNCTION at FILE:LINE".
[[nodiscard]] std::vector<std::string> describe_stack(const stack_parts& stack);

}  // namespace tandem
