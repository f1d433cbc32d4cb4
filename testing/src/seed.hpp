#pragma once
#include <cstdint>
#include <optional>

namespace tandem::testing {

/// TANDEM_SEED, if it is set.   Errors: throws std::invalid_argument if it is no number.
[[nodiscard]] std::optional<std::uint32_t> seed_of_environment();

}  // namespace tandem::testing
