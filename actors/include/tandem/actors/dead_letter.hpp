// A message that was accepted and could not be handled, and nobody was waiting to be told.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include <tandem/errors/error.hpp>

namespace tandem::actors {

/// See system_options::on_dead_letter.
struct dead_letter {
  error reason;  ///< errc::unavailable: the actor has ended; errc::overloaded: its mailbox was full; and others.
  std::uint64_t target_id = 0;
  std::string target_name;        ///< Empty if the target has no name.
  std::string message_type;       ///< The name on the wire, or the C++ type's.
  std::string target_class = {};  ///< Empty if the target is on another node.
  std::chrono::milliseconds waited{0};  ///< How long about it was in the mailbox.
};

/// "a note for tape (recorder, id 4294967297) after 12 ms: actor tape has ended"
[[nodiscard]] std::string to_string(const dead_letter& letter);

}  // namespace tandem::actors
