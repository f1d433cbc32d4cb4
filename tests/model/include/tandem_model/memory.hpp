// What the model's atomics are made of: operations of the running explorer. See tests/model/explorer.hpp.
#pragma once
#include <atomic>
#include <cstdint>
#include <source_location>

#include <tandem/runtime/time.hpp>

namespace tandem::model {

/// What a step does to its object. The explorer asks it whether two steps can change places, and prints it.
enum class step : std::uint8_t { load, store, exchange, fence, heavy_fence, lock, unlock, wait, wake, pause, resume };

/// An atomic word or a mutex, in this execution of the scenario. Outside of an execution nothing may touch it.
class object {
 public:
  constexpr object() = default;
  object(const object&) = delete;
  object& operator=(const object&) = delete;
  /// Its number, given at the first use in an execution together with its first value.
  [[nodiscard]] unsigned id(std::uint64_t first) const;

 private:
  mutable std::uint64_t execution_ = 0;
  mutable unsigned id_ = 0;
};

using order = std::memory_order;
using where = std::source_location;

std::uint64_t load(unsigned object, order o, const where& at);
void store(unsigned object, std::uint64_t value, order o, const where& at);

/// Reads the newest value and replaces it by what `change` makes of it; returns what was read. `change` returning
/// false leaves the word alone: then the step is a load of the order `otherwise`.
using change_function = bool (*)(std::uint64_t& value, void* argument);
std::uint64_t exchange(unsigned object, change_function change, void* argument, order o, order otherwise,
                       const where& at);

void fence(order o, const where& at);
void heavy_fence(const where& at);
void lock(unsigned object, const where& at);
bool try_lock(unsigned object, const where& at);
void unlock(unsigned object, const where& at);
bool futex_wait(unsigned object, std::uint64_t seen, time_point deadline, const where& at);
void futex_wake(unsigned object, const where& at);
void pause(const where& at);

/// The time on the calling fiber's clock, which goes on by a millisecond with every look.
time_point clock_now();

/// Memory that atomics are to protect: neither is a step; a racing access fails the execution.
std::uint64_t plain_read(unsigned object, const where& at);
void plain_write(unsigned object, std::uint64_t value, const where& at);

}  // namespace tandem::model
