// tandem::detail::sync for model builds: takes the place of <tandem/runtime/detail/sync.hpp>'s own definitions.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <type_traits>

#include <tandem/runtime/detail/config.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem_model/memory.hpp>

namespace tandem::detail::sync {

inline constexpr std::uint32_t run_queue_capacity = 4;
inline constexpr unsigned bias_after = 1;

using model::where;
using std::memory_order;

template <class T>
class atomic {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));

 public:
  constexpr atomic() noexcept : first_{} {}
  constexpr atomic(T first) noexcept : first_(first) {}  // NOLINT: as std::atomic

  T load(memory_order o = memory_order::seq_cst, where at = where::current()) const noexcept {
    return value_of(model::load(id(), o, at));
  }
  void store(T value, memory_order o = memory_order::seq_cst, where at = where::current()) noexcept {
    model::store(id(), bits_of(value), o, at);
  }
  T exchange(T value, memory_order o = memory_order::seq_cst, where at = where::current()) noexcept {
    return change([value](T) { return value; }, o, at);
  }
  T fetch_add(T n, memory_order o = memory_order::seq_cst, where at = where::current()) noexcept {
    return change([n](T old) { return static_cast<T>(old + n); }, o, at);
  }
  T fetch_sub(T n, memory_order o = memory_order::seq_cst, where at = where::current()) noexcept {
    return change([n](T old) { return static_cast<T>(old - n); }, o, at);
  }
  bool compare_exchange_strong(T& expected, T desired, memory_order o, memory_order otherwise,
                               where at = where::current()) noexcept {
    struct pair {
      std::uint64_t expected, desired;
    } wanted{bits_of(expected), bits_of(desired)};
    const auto compare = [](std::uint64_t& value, void* argument) {
      const pair& p = *static_cast<pair*>(argument);
      if (value != p.expected) return false;
      value = p.desired;
      return true;
    };
    const std::uint64_t seen = model::exchange(id(), compare, &wanted, o, otherwise, at);
    if (seen == wanted.expected) return true;
    expected = value_of(seen);
    return false;
  }
  bool compare_exchange_weak(T& expected, T desired, memory_order o, memory_order otherwise,
                             where at = where::current()) noexcept {
    return compare_exchange_strong(expected, desired, o, otherwise, at);
  }

  [[nodiscard]] unsigned id() const noexcept { return object_.id(bits_of(first_)); }

 private:
  static std::uint64_t bits_of(T value) noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    return bits;
  }
  static T value_of(std::uint64_t bits) noexcept {
    T value;
    std::memcpy(&value, &bits, sizeof(T));
    return value;
  }
  template <class F>
  T change(F f, memory_order o, const where& at) noexcept {
    const auto apply = [](std::uint64_t& value, void* argument) {
      value = bits_of((*static_cast<F*>(argument))(value_of(value)));
      return true;
    };
    return value_of(model::exchange(id(), apply, &f, o, o, at));
  }

  T first_;
  model::object object_;
};

class mutex {
 public:
  void lock(where at = where::current()) { model::lock(object_.id(0), at); }
  bool try_lock(where at = where::current()) { return model::try_lock(object_.id(0), at); }
  void unlock(where at = where::current()) { model::unlock(object_.id(0), at); }

 private:
  model::object object_;
};

inline void atomic_thread_fence(memory_order o, where at = where::current()) noexcept { model::fence(o, at); }
inline void light_fence() noexcept {}  // orders nothing by itself
inline void heavy_fence(where at = where::current()) noexcept { model::heavy_fence(at); }
inline void prepare_heavy_fence() noexcept {}
inline bool fences_are_asymmetric() noexcept { return true; }

inline void spin_pause(where at = where::current()) noexcept { model::pause(at); }
inline void thread_yield(where at = where::current()) noexcept { model::pause(at); }

inline bool futex_wait(atomic<std::uint32_t>& word, std::uint32_t seen, time_point deadline,
                       where at = where::current()) noexcept {
  return model::futex_wait(word.id(), seen, deadline, at);
}
inline void futex_wake(atomic<std::uint32_t>& word, where at = where::current()) noexcept {
  model::futex_wake(word.id(), at);
}

[[nodiscard]] inline time_point clock_now() noexcept { return model::clock_now(); }

}  // namespace tandem::detail::sync
