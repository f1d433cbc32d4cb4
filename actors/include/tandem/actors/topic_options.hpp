// What can be chosen of a topic and of a subscription, and what a topic counts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace tandem::actors {

/// What becomes of a message for which a subscriber's mailbox has no room. The others have theirs in any case.
enum class subscriber_full : std::uint8_t {
  wait,         ///< It waits there. Once topic_options::behind messages do, publishers wait.
  drop_newest,  ///< The subscriber misses it: subscription::missed() counts.
  unsubscribe,  ///< The subscriber misses it, and what comes later: its subscription ends.
};

struct topic_options {
  topic_options() = default;
  /*implicit*/ topic_options(std::string n, std::size_t b = 16) : name(std::move(n)), behind(b) {}

  std::string name = "topic";  ///< For reports.
  /// Copies that may wait for room at subscribers, or have waited and are not handled yet, before publishers wait.
  /// Those of subscriptions that have ended do not count. At least 1.
  std::size_t behind = 16;
};

/// Of some moment. What subscribers got is `delivered`, less what was in the mailbox of one that ended.
struct topic_stats {
  std::uint64_t published;    ///< Messages.
  std::uint64_t delivered;    ///< Copies that reached a mailbox, or wait for room in one.
  std::uint64_t dropped;      ///< Copies for which there was no room.
  std::size_t subscribers;
};

}  // namespace tandem::actors
