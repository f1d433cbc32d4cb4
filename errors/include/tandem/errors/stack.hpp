// Call stacks as raw addresses: cheap to take, given names only when somebody reads them.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace tandem {

/// The calls that led to a place, and the coroutines that await them.
///
/// Threads: a value; describe functions may be called from any thread.
class stack_trace {
 public:
  static constexpr std::size_t max_calls = 32;
  static constexpr std::size_t max_awaiters = 16;

  /// An empty stack.
  stack_trace() noexcept {}  // not defaulted: that would clear the addresses

  /// The stack of the caller, innermost call first, without the innermost `skip` calls; the outermost are dropped
  /// where max_calls do not suffice.
  ///
  /// Memory: never allocates. Costs about a microsecond.
  [[nodiscard]] static stack_trace capture(std::size_t skip = 0) noexcept;

  [[nodiscard]] bool empty() const noexcept { return calls_ == 0 && awaiters_ == 0; }

  /// Return addresses, innermost first.
  [[nodiscard]] std::span<const void* const> calls() const noexcept { return {addresses_.data(), calls_}; }

  /// Addresses of the awaiting coroutines' functions, innermost first; empty unless a runtime has told how to walk
  /// them (set_awaiter_walk).
  [[nodiscard]] std::span<const void* const> awaiters() const noexcept {
    return {addresses_.data() + calls_, awaiters_};
  }

 private:
  std::array<const void*, max_calls + max_awaiters> addresses_;  // calls, then awaiters; the rest is unset
  std::uint8_t calls_ = 0;
  std::uint8_t awaiters_ = 0;
};

/// Writes the addresses of the coroutines that await the running one, innermost first, to at most `room` places, and
/// says how many. Called on the thread whose stack is taken; must neither allocate nor make errors.
using awaiter_walk = std::size_t (*)(const void** out, std::size_t room) noexcept;

/// Makes every later capture() record awaiting coroutines too; null turns that off. The runtime calls it once.
/// Threads: any. A capture that is under way may still use the old one.
void set_awaiter_walk(awaiter_walk walk) noexcept;

/// "function at file:line" for an address of code. What is not known is left out, at worst down to the address.
[[nodiscard]] std::string describe_address(const void* address);

/// One text per frame: the calls, then the awaiters, each of those starting with "awaited by ".
[[nodiscard]] std::vector<std::string> describe_stack(std::span<const void* const> calls,
                                                      std::span<const void* const> awaiters);

}  // namespace tandem
