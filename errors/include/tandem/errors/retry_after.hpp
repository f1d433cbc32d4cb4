// Pushback: the one who refused says when it makes sense to come back.
#pragma once
#include <chrono>
#include <optional>

#include <tandem/errors/error.hpp>

namespace tandem {

/// Adds to `e` that the same call makes no sense before `wait` has passed; less than zero counts as zero. It is a
/// field, so it crosses wires, in whole milliseconds, rounded up. No error stays no error.
/// Errors: throws std::bad_alloc.
[[nodiscard]] error with_retry_after(error e, std::chrono::nanoseconds wait);

/// What the outermost layer that says so says; of joined causes the longest. A value that is no number, or is more than
/// a day, as a hostile peer may send, counts as none and as a day.
[[nodiscard]] std::optional<std::chrono::nanoseconds> retry_after_of(const error& e);

}  // namespace tandem
