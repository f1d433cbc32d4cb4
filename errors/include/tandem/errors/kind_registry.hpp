// Which of the declared kinds cannot be told apart by their codes.
#pragma once
#include <string>
#include <vector>

#include <tandem/errors/kind.hpp>

namespace tandem {

/// Two declared kinds with different keys and the same short code.
struct kind_collision {
  std::string code;
  std::string first_key;   // the lesser of both
  std::string second_key;
  friend bool operator==(const kind_collision&, const kind_collision&) = default;
};

/// The collisions among the kinds that exist now, sorted. Where more than two kinds share a code, each is paired with
/// the one whose key is least: k of them give k - 1 collisions. A key that is declared twice is one kind.
///
/// Threads: any; kinds may come and go meanwhile.   Errors: as short_code().
[[nodiscard]] std::vector<kind_collision> kind_collisions();

/// Writes one line to stderr for each collision, naming both kinds and what to do; nothing if there is none. The first
/// runtime of a process calls it; a program without one, or one that loads kinds later, may call it itself.
///
/// Errors: never throws; if the codes cannot be computed, the line says so.
void report_kind_collisions() noexcept;

}  // namespace tandem
