// What a scheduler does about io: its beginning, and what is in flight.
#include <tandem/runtime/runtime.hpp>

#include "scheduler.hpp"

namespace tandem {
namespace detail {

asio::io_context& scheduler::use_io() {
  check_not_orphaned("io() was called");
  if (io_.in_use()) return io_.context();
  asio::io_context& made = io_.context();
  // All may sleep where no event of io ends it. Who goes to sleep counts as asleep, has a seq_cst fence (W1), and looks
  // whether io is in use: he finds it, or is seen here.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!manual() && hands_.any_asleep()) hands_.wake_longest_asleep(nullptr);
  return made;
}

namespace {

// Written by the worker's thread only.
void count_one(std::atomic<std::uint64_t> worker::* of_worker) noexcept {
  std::atomic<std::uint64_t>& count = static_cast<worker*>(tls_worker)->*of_worker;
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

}  // namespace

void scheduler::io_begins() noexcept { count_one(&worker::io_begun); }
void scheduler::io_ends() noexcept { count_one(&worker::io_ended); }

// Ends first, as in live_tasks(): whoever is not counted as begun has not been counted as ended either.
std::size_t scheduler::io_in_flight() const noexcept {
  std::uint64_t ended = 0, begun = 0;
  for (const auto& w : workers_) ended += w->io_ended.load(std::memory_order_acquire);
  for (const auto& w : workers_) begun += w->io_begun.load(std::memory_order_acquire);
  return begun - ended;
}

}  // namespace detail

asio::io_context& runtime::io() { return core_->use_io(); }

}  // namespace tandem
