// Three servers that answer as servers do: mostly fast, sometimes not, and one that has a bad minute.
#pragma once
#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>
#include <string_view>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace replicas {

using namespace std::chrono_literals;
using tandem::duration;
using tandem::result;
using tandem::task;
using tandem::time_point;

/// When the second replica is broken, and the third one slow.
struct trouble {
  time_point begins;
  time_point ends;
  [[nodiscard]] bool at(time_point when) const noexcept { return when >= begins && when < ends; }
};

/// Answers "price of …" after 2 to 6 ms, one in fifty times only after 80 ms.
inline task<result<int>> ask(std::string_view replica, const trouble& bad) {
  thread_local std::minstd_rand random{std::random_device()()};
  const bool hiccup = std::uniform_int_distribution(0, 49)(random) == 0;
  duration takes = std::chrono::microseconds(std::uniform_int_distribution(2'000, 6'000)(random));
  if (hiccup) takes = 80ms;
  if (replica == "b" && bad.at(tandem::now())) {
    TANDEM_CO_TRY(co_await tandem::sleep_for(takes));
    co_return tandem::fail(tandem::errc::unavailable, "b is broken");
  }
  if (replica == "c" && bad.at(tandem::now())) takes *= 30;
  TANDEM_CO_TRY(co_await tandem::sleep_for(takes));
  co_return 42;
}

}  // namespace replicas
