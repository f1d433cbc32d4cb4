// Numbers that are the same on each run.
#pragma once
#include <cstdint>

namespace tandem::resilience {

class random_numbers {
 public:
  explicit random_numbers(std::uint64_t seed) noexcept : x_(seed * 2 + 1) {}
  std::uint64_t next() noexcept {  // splitmix64
    std::uint64_t z = x_ += 0x9E37'79B9'7F4A'7C15;
    z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9;
    z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EB;
    return z ^ (z >> 31);
  }
  int below(int n) noexcept { return static_cast<int>(next() % static_cast<std::uint64_t>(n)); }

 private:
  std::uint64_t x_;
};

}  // namespace tandem::resilience
