#include "readable_duration.hpp"

#include <fmt/format.h>

namespace tandem::actors::detail {

std::string readable(duration d) {
  using std::chrono::duration_cast;
  const auto nanoseconds = static_cast<double>(d.count());
  if (d >= std::chrono::seconds(1))
    return fmt::format("{:.6g} s", static_cast<double>(duration_cast<std::chrono::milliseconds>(d).count()) / 1e3);
  if (d >= std::chrono::milliseconds(1))
    return fmt::format("{:.6g} ms", static_cast<double>(duration_cast<std::chrono::microseconds>(d).count()) / 1e3);
  if (d >= std::chrono::microseconds(1)) return fmt::format("{:.6g} µs", nanoseconds / 1e3);
  return fmt::format("{} ns", d.count());
}

}  // namespace tandem::actors::detail
