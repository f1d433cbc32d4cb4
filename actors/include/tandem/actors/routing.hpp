// How a router chooses among its routees: the first argument of a router (router.hpp).
//
// | choice        | a message goes to                                 | if that one is full     | order of one sender |
// |---------------|---------------------------------------------------|-------------------------|---------------------|
// | round_robin   | the next in turn                                  | the next that has room  | per routee only     |
// | random_choice | any                                               | the next that has room  | per routee only     |
// | least_loaded  | the one with the fewest messages waiting          | the next that has room  | per routee only     |
// | two_choices   | the less loaded of two drawn at random            | the next that has room  | per routee only     |
// | by_key        | the one to which the message's key belongs        | waits for it            | kept per key        |
// | broadcast     | all of them, a copy each                          | see there               | kept                |
// | first_success | all that have room, a copy each; one answer counts| does without it         | per routee only     |
//
// "per routee only": two messages of one sender that go to the same routee are handled as sent; those that go to
// different ones in any order, as they would if the sender had told these. If all routees are full, the sender waits
// at one of them: these take turns. A routee that is full and fails its senders (overflow::fail) is passed over as
// well; if all do, the sender gets errc::overloaded.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include <tandem/actors/detail/hashing.hpp>

namespace tandem::actors {

/// Senders at the same moment may get the same turn.
struct round_robin {};

/// The seed fixes the sequence of draws, so that a test can be repeated.
struct random_choice {
  std::uint64_t seed = 1;
};

/// Looks at the mailbox of every routee for each message; for more than a few, two_choices is nearly as even and looks
/// at two (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001). A routee on another node
/// counts as idle: its mailbox cannot be seen from here.
struct least_loaded {};

struct two_choices {
  std::uint64_t seed = 1;
};

/// Consistent hashing: messages with equal keys go to the same routee, as long as that is there. A routee that comes or
/// goes moves only the keys that it gets or had, 1/n of all on average. Who is added takes the lowest free place, so
/// that the replacement of a routee that has ended or was removed gets exactly its keys.
///
/// ```
/// router<void(order), quote(ask_price)> shards(by_key([](const order& o) { return o.customer; },
///                                                     [](const ask_price& a) { return a.customer; }), {a, b, c});
/// ```
/// One function, or several as above; each message of the protocol must be taken by one of them. A key is an integer,
/// an enumeration, or text. Functions must be callable from several threads at a time. If one throws, the message is
/// not sent.
template <class... Functions>
struct by_key : Functions... {
  explicit by_key(Functions... key_of) : Functions(std::move(key_of))... {}
  using Functions::operator()...;
};

/// All routees, a copy of the message each. Only for messages that are told: an ask has one answer, see first_success
/// and ask_all(). For large messages, send std::shared_ptr<const Message>.
///
/// A message is accepted by all or by nobody: if some routee is full, its copy waits there, and the others have theirs.
/// Once `behind` copies wait, or have waited and are not handled yet, senders wait, and try_tell() says would_block.
/// Those of a routee that was removed do not count.
struct broadcast {
  std::size_t behind = 16;  ///< At least 1.
};

/// Scatter and gather: asks all routees that have room, a copy each, and the first answer that is no error is the
/// answer; the others are dropped, though their messages may still be handled. If all fail, the asker gets all errors,
/// joined. If no routee has room, the message waits at one, and only that one is asked. For asks only.
struct first_success {};

}  // namespace tandem::actors
