// How a pool of actors is sized, and what it counts.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <tandem/actors/spawn_options.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

/// Invalid: a queue_capacity or max_workers of 0, fewer max_workers than min_workers, a keep_alive or restart_period
/// below zero.
struct actor_pool_options {
  std::string name = "pool";  ///< For reports.
  /// Messages that no worker has taken yet. At least 1.
  std::size_t queue_capacity = 1024;
  overflow when_full = overflow::wait;  ///< The queue.

  // Of pools that make their workers:
  std::size_t min_workers = 1;  ///< These are made at once, and stay.
  /// A message that finds no idle worker makes another, up to this. At least 1, and at least min_workers.
  std::size_t max_workers = 4;
  /// A worker beyond min_workers that was idle for so long is let go. Not below zero.
  duration keep_alive = std::chrono::seconds(10);
  /// How many workers that have ended, or could not be made, may be replaced within restart_period. With one more the
  /// pool gives up: it makes no more workers, and fails when the last has ended.
  std::size_t restarts = 10;
  duration restart_period = std::chrono::seconds(10);
};

/// Of some moment.
struct actor_pool_stats {
  std::size_t workers;
  std::size_t busy;       ///< Workers with a message in hand.
  std::size_t queued;     ///< Messages.
  std::uint64_t handed;   ///< Messages given to workers; one that came back and was given again counts twice.
  std::uint64_t dropped;  ///< Messages for which there was no room, by overflow::drop_….
  std::uint64_t ended;    ///< Workers that have ended, or could not be made.
};

}  // namespace tandem::actors
