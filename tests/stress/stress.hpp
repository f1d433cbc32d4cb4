// What a stress program's primitives share: how long, how many workers, which seed, and how to complain.
#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace stress {

struct settings {
  unsigned seconds = 1;
  unsigned workers = 2;
  std::uint32_t seed = 1;
};

/// Ends the program if an invariant does not hold.
inline void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "tandem_stress: broken: %s\n", what);
  std::abort();
}

/// One primitive, again and again: each round checks its invariants and gives the number of operations it did.
struct primitive {
  const char* name;
  const char* checks;
  std::uint64_t (*round)(const settings& how, std::uint32_t seed);
};

[[nodiscard]] std::vector<primitive> task_primitives();
[[nodiscard]] std::vector<primitive> channel_primitives();
[[nodiscard]] std::vector<primitive> thread_primitives();
[[nodiscard]] std::vector<primitive> file_primitives();
[[nodiscard]] std::vector<primitive> read_primitives();
[[nodiscard]] std::vector<primitive> sync_primitives();

}  // namespace stress
