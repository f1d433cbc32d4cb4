// What a node has done since it started, for its last line.
#pragma once
#include <atomic>
#include <cstdint>

namespace wordcount {

/// Threads: written by the node's actors, read by anyone. relaxed everywhere: each number stands for itself.
struct node_stats {
  std::atomic<std::uint64_t> chunks_mapped{0};
  std::atomic<std::uint64_t> words_mapped{0};
  std::atomic<std::uint64_t> shards_created{0};
  std::atomic<std::uint64_t> partial_counts{0};

  static void add(std::atomic<std::uint64_t>& to, std::uint64_t n) noexcept {
    to.fetch_add(n, std::memory_order_relaxed);
  }
};

}  // namespace wordcount
