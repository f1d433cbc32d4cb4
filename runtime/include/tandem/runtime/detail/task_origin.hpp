// Where tasks come from, in four bytes each.
#pragma once
#include <cstdint>
#include <source_location>

namespace tandem::detail {

/// The name a task goes by, and where it was spawned. There are as many as a program has such places.
struct task_origin {
  const char* name;  // a literal
  std::source_location site;
};

/// Stands for a task_origin, for as long as the process lives.
using origin_id = std::uint32_t;

/// Threads: any.   Errors: throws std::bad_alloc, for a place that was not seen before.
[[nodiscard]] origin_id id_of_origin(const char* name, const std::source_location& site);

/// Threads: any.
[[nodiscard]] const task_origin& origin_of(origin_id id) noexcept;

}  // namespace tandem::detail
