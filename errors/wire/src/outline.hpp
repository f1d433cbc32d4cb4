// The layers of a tree that may be worth sending.
#pragma once
#include <cstddef>
#include <limits>
#include <vector>

#include <tandem/errors/error.hpp>
#include <tandem/errors/layer.hpp>

#include "limits.hpp"

namespace tandem::internal {

inline constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

/// A layer that may be sent.
struct candidate {
  layer_view layer;
  std::size_t around = nowhere;  // the next candidate outwards
  std::size_t skipped = 0;       // the layers between that one and this, which are no candidates
  std::size_t first_root = 0;    // the index of the leftmost root below it among all roots
  std::size_t rank = 0;          // counts up from both ends of its branch to the middle: 0 outermost, 1 innermost, 2 …
  bool has_identity = false;     // it has a code or a kind of its own
  bool ends_branch = false;      // it is a root or a join

  [[nodiscard]] bool is_root() const noexcept { return ends_branch && layer.causes().empty(); }
};

/// Candidates outermost first, each before those below it, causes from left to right: all roots and joins, and of each
/// branch between those as many layers from both ends as may be sent, or more with an identity of their own.
/// Memory: bounded by the limits and the number of roots and joins, not by the number of layers.
[[nodiscard]] std::vector<candidate> outline_of(const error& e, const wire_limits& limits);

}  // namespace tandem::internal
