// What a mistyped word may have meant.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace tandemctl {

/// The word that is nearest to what was typed, if at most two letters must be changed, added, dropped or swapped with
/// their neighbour, and fewer than the word has; empty if none is.
[[nodiscard]] std::string suggestion(std::string_view typed, const std::vector<std::string>& words);

}  // namespace tandemctl
