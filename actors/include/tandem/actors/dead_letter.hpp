// A message that was accepted and could not be handled, and nobody was waiting to be told.
#pragma once
#include <cstdint>
#include <string>

#include <tandem/errors/error.hpp>

namespace tandem::actors {

struct dead_letter {
  error reason;
  std::uint64_t target_id = 0;
  std::string target_name;   ///< Empty if the target has no name.
  std::string message_type;  ///< The name on the wire, or the C++ type's.
};

}  // namespace tandem::actors
