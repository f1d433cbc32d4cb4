// Where a test stands between the mailboxes of a system and its actors. See tandem/testing/actors.hpp.
#pragma once
#include <cstdint>

#include <tandem/actors/detail/envelope.hpp>
#include <tandem/actors/detail/target.hpp>

namespace tandem::actors::detail {

/// Of a system on a simulated runtime: a message that an actor's mailbox takes stays there, and wakes nobody, until
/// let_in(). All else is as without: capacity, policies, ages; requests to end are no messages.
/// Threads: the simulation's.
class delivery_gate {
 public:
  /// `message` has come, or waits for room, to come as soon as there is some. Called where it is sent. It must not wake
  /// anybody.
  virtual void queued(local_target& to, envelope& message) noexcept = 0;

 protected:
  ~delivery_gate() = default;
};

/// Where a message is; it need not exist any more.
enum class held_at : std::uint8_t {
  nowhere,  // handled, dropped, or about to be handled
  room,     // waits for room, with its sender
  gate
};
[[nodiscard]] held_at find_held(local_target& to, const envelope* message) noexcept;
/// Lets the actor have it: it is handled when its turn comes. False if it is not at the gate.
bool let_in(local_target& to, const envelope* message) noexcept;
/// Takes it out of the mailbox. Null if it is not at the gate.
[[nodiscard]] envelope_ptr take_out(local_target& to, const envelope* message) noexcept;

}  // namespace tandem::actors::detail
