// A set of chunk numbers that remembers ranges: chunks arrive nearly in order, so it stays small.
#pragma once
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace wordcount {

class chunk_set {
 public:
  /// first up to and including last
  using range = std::pair<std::uint64_t, std::uint64_t>;

  /// False if it was there already.
  bool insert(std::uint64_t chunk);

  [[nodiscard]] bool contains(std::uint64_t chunk) const;

  /// What is not in the set of 0 … count - 1, in order.
  [[nodiscard]] std::vector<range> missing(std::uint64_t count) const;

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // first -> last; no two touch
};

}  // namespace wordcount
