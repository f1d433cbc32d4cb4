// How policies print their settings.
#pragma once
#include <string>

#include <tandem/runtime/time.hpp>

namespace tandem::resilience::detail {

/// In the largest unit that leaves no more than two decimals: "200ms", "1.5s", "30s".
[[nodiscard]] std::string text_of(duration d);
/// "5%", "0.5%".
[[nodiscard]] std::string percent(double share);

}  // namespace tandem::resilience::detail
