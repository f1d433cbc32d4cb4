// Durations as people write them.
#pragma once
#include <string>

#include <tandem/runtime/time.hpp>

namespace tandem::actors::detail {

/// "5 s", "1.5 s", "250 ms", "3 µs"; at most three digits behind the point.
[[nodiscard]] std::string readable(duration d);

}  // namespace tandem::actors::detail
