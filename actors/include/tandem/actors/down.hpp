// down: the message that says that an actor somebody watches has ended.
#pragma once
#include <cstdint>
#include <string>

#include <tandem/errors/error.hpp>

namespace tandem::actors {

/// Comes once per watch, also when the actor had ended before. A restart by a supervisor is no end.
struct down {
  std::uint64_t id = 0;
  std::string name;  ///< Empty if it had none.
  error reason;      ///< None: it ended by itself, by quit() or because nobody could reach it.
};

}  // namespace tandem::actors
