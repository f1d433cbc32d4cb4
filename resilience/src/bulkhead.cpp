#include <tandem/resilience/bulkhead.hpp>

#include <stdexcept>

#include <fmt/format.h>

#include "refusal.hpp"
#include "text.hpp"

namespace tandem::resilience {
namespace detail {
namespace {

bulkhead_options checked(bulkhead_options o) {
  if (o.at_once < 1) throw std::invalid_argument("bulkhead: at_once must be at least 1: nothing else would get in");
  if (o.queue > 0 && o.queue_deadline <= duration::zero())
    throw std::invalid_argument("bulkhead: queue_deadline must be more than zero; for none to wait, let queue be 0");
  return o;
}

/// Counted while it lives, unless there were enough already.
class place_in_queue {
 public:
  place_in_queue(std::atomic<std::uint32_t>& queued, std::uint32_t most) noexcept : queued_(queued) {
    std::uint32_t had = queued.load(std::memory_order_relaxed);
    while (had < most && !(taken_ = queued.compare_exchange_weak(had, had + 1, std::memory_order_relaxed))) {}
  }
  place_in_queue(const place_in_queue&) = delete;
  place_in_queue& operator=(const place_in_queue&) = delete;
  ~place_in_queue() {
    if (taken_) queued_.fetch_sub(1, std::memory_order_relaxed);
  }
  [[nodiscard]] bool taken() const noexcept { return taken_; }

 private:
  std::atomic<std::uint32_t>& queued_;
  bool taken_ = false;
};

}  // namespace

bulkhead_state::bulkhead_state(bulkhead_options options)
    : policy_state("bulkhead", options.name), options_(checked(std::move(options))), room_(options_.at_once) {}

error bulkhead_state::refuse(const char* why) {
  rejected_.fetch_add(1, std::memory_order_relaxed);
  // As many as wait, and this one, at the pace at which calls end.
  const duration wait = takes_.get() * (queued() + 1) / options_.at_once;
  return refusal(errc::overloaded, *this, why, wait > duration::zero() ? wait : options_.queue_deadline);
}

std::string bulkhead_state::settings() const {
  std::string text = fmt::format("{} at once", options_.at_once);
  if (options_.queue > 0) text += fmt::format(", {} wait up to {}", options_.queue, text_of(options_.queue_deadline));
  return text;
}
std::string bulkhead_state::state() const {
  return fmt::format("{} inside, {} wait, {} rejected", room_.limit() - room_.available(), queued(),
                     rejected_.load(std::memory_order_relaxed));
}
std::vector<policy_counter> bulkhead_state::counters() const {
  return {{"calls", calls_.load(std::memory_order_relaxed)},
          {"rejected", rejected_.load(std::memory_order_relaxed)},
          {"waited", waited_.load(std::memory_order_relaxed)}};
}

bulkhead_call::bulkhead_call(bulkhead_state& b) : bulkhead_(b) {
  b.calls_.fetch_add(1, std::memory_order_relaxed);
  auto got = b.room_.try_acquire();
  if (!got) [[unlikely]]
    return;
  permits_ = *std::move(got);
  began_ = now();
}

task<result<void>> bulkhead_call::queue() {
  const place_in_queue place(bulkhead_.queued_, bulkhead_.options_.queue);
  if (!place.taken()) co_return std::unexpected(bulkhead_.refuse("too many calls at once"));
  bulkhead_.waited_.fetch_add(1, std::memory_order_relaxed);
  auto got = co_await bulkhead_.room_.acquire_for(bulkhead_.options_.queue_deadline);
  if (!got && got.error().code() == errc::timed_out)
    co_return std::unexpected(bulkhead_.refuse("waited too long for others"));
  if (!got) co_return std::unexpected(std::move(got).error());
  permits_ = *std::move(got);
  began_ = now();
  co_return result<void>();
}

}  // namespace detail

bulkhead::bulkhead(bulkhead_options options)
    : policy(std::make_shared<detail::listed<detail::bulkhead_state>>(std::move(options))) {}

}  // namespace tandem::resilience
