// actor_info: what a report tells about one actor. See system::list_actors().
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace tandem::actors {

enum class actor_state : std::uint8_t {
  idle,     ///< Nothing to do.
  busy,     ///< Runs a handler, or is about to.
  waiting,  ///< A handler waits for something.
  stopped,  ///< Its object is gone; its supervisor decides what becomes of it.
  ending    ///< It waits for its children to end, or has just ended.
};

[[nodiscard]] const char* to_string(actor_state s) noexcept;

/// Of some moment; parts of it may be of slightly different ones. Times have a resolution of a few milliseconds.
struct actor_info {
  std::uint64_t id = 0;
  std::string name;  ///< Empty if it has none.
  std::string class_name;
  std::uint64_t parent = 0;  ///< The id of the actor that spawned it; 0 if none did.
  actor_state state = actor_state::idle;
  std::size_t depth = 0;                    ///< Messages accepted and not handled yet.
  std::chrono::milliseconds oldest_age{0};  ///< How long about the oldest of them has been there.
  std::uint64_t overflows = 0;              ///< Messages refused or dropped because the mailbox was full.
  std::string handling;                     ///< The type of the message that is being handled; empty if none is.
  /// How long about; of a handler that has not waited, since the actor got the turn it is handled in.
  std::chrono::milliseconds handling_for{0};
  std::uint32_t restarts = 0;  ///< By its supervisor.
};

}  // namespace tandem::actors
