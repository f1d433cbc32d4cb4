// How one actor is spawned: its name, and its mailbox.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace tandem::actors {

/// What happens to a message for which a mailbox has no room.
///
/// | policy      | tell()                                  | try_tell()              | ask()                     |
/// |-------------|-----------------------------------------|-------------------------|---------------------------|
/// | wait        | waits for room                          | errc::would_block       | waits for room and answer |
/// | fail        | errc::overloaded                        | errc::overloaded        | errc::overloaded          |
/// | drop_newest | succeeds; the message is a dead letter  | likewise                | errc::overloaded          |
/// | drop_oldest | succeeds; the oldest is a dead letter, or its asker gets errc::overloaded    | likewise | likewise |
///
/// Every message that is dropped counts in actor_info::overflows.
enum class overflow : std::uint8_t { wait, fail, drop_newest, drop_oldest };

/// What an actor handles first. Messages of one sender and one priority are handled as sent; an urgent one overtakes
/// what is in the mailbox, but not those who wait for room. To another node, urgent is as normal.
enum class priority : std::uint8_t { normal, urgent };

/// How one actor is spawned.
struct spawn_actor_options {
  spawn_actor_options() = default;
  /*implicit*/ spawn_actor_options(std::string n, std::size_t capacity = default_capacity,
                                   overflow full = overflow::wait)
      : name(std::move(n)), mailbox_capacity(capacity), when_full(full) {}
  /*implicit*/ spawn_actor_options(const char* n) : name(n) {}  // else spawn<A>("name") is not understood

  static constexpr std::size_t default_capacity = 1024;

  std::string name;  ///< For reports; names need not be unique, see system::register_name() for those.
  /// Messages accepted and not yet taken. At least 1, at most 2^32 - 2^16. Messages from other nodes count, but are not
  /// held up: their links have windows. CAF's actors cannot wait; so under overflow::wait they may go a few thousand
  /// beyond, and then their messages are refused: a request with an error, any other as a dead letter.
  std::size_t mailbox_capacity = default_capacity;
  overflow when_full = overflow::wait;
};

}  // namespace tandem::actors
