// What a hedge knows: of its targets, of past latencies, of what it sent.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tandem/resilience/detail/latency_histogram.hpp>
#include <tandem/resilience/hedge_options.hpp>
#include <tandem/resilience/policy.hpp>
#include <tandem/resilience/retry_budget.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience::detail {

inline constexpr std::uint32_t max_hedge_copies = 8;

/// The targets that the copies of a call went to.
struct targets_asked {
  std::array<std::size_t, max_hedge_copies> index;
  std::uint32_t count = 0;
  [[nodiscard]] bool contains(std::size_t target) const noexcept;
};

/// Whether the policies inside a hedge would let a call through: next.admits(), for code that is no template.
struct inner_policies {
  const void* next;
  bool (*ask)(const void* next, const call& c) noexcept;
  [[nodiscard]] bool admit(const call& c) const noexcept { return ask(next, c); }
};

class hedge_state : public policy_state {
 public:
  explicit hedge_state(hedge_options options);

  [[nodiscard]] std::uint32_t copies() const noexcept { return options_.copies; }

  /// A call begins; if another copy may follow it, the time until then.
  [[nodiscard]] std::optional<duration> begin(call& c, time_point at) noexcept;
  /// Sets whom to ask first, and notes it in `asked`.
  std::size_t choose(call& c, const inner_policies& inside, targets_asked& asked, time_point at) const noexcept;
  /// The same for another copy; nothing if there must be none, which is then counted.
  [[nodiscard]] std::optional<std::size_t> choose_another(call& c, const inner_policies& inside, targets_asked& asked,
                                                          time_point at) noexcept;

  struct target_state {
    std::string name;
    std::atomic<std::uint32_t> inflight{0};
    std::atomic<time_point::rep> left_alone_until;
  };

  /// A copy from its begin to its end.
  class copy_in_flight {
   public:
    copy_in_flight(hedge_state& of, std::size_t target) noexcept;
    ~copy_in_flight() { end(); }
    /// Before the end.
    void end() noexcept;
    copy_in_flight(const copy_in_flight&) = delete;
    copy_in_flight& operator=(const copy_in_flight&) = delete;

   private:
    target_state* target_;
  };

  void succeeded(duration took, time_point at) noexcept { latencies_.record(took, at); }
  void lost(duration took, duration delay, time_point at) noexcept {
    if (took >= delay) latencies_.record(took, at);
  }
  /// `e` is what a copy failed with that was not cancelled.
  void failed(std::size_t target, const error& e, time_point at) noexcept;
  void threw(time_point at) noexcept { latencies_.record_failure(at); }

  void hedge_ended(bool won) noexcept { count(won ? counter::won : counter::wasted); }
  /// Of a call that is not idempotent and took so long that it would have been hedged.
  void not_idempotent() noexcept { count(counter::not_idempotent); }

  [[nodiscard]] std::string settings() const override;
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::vector<policy_counter> counters() const override;

  /// If something is known: after what time a copy would follow.
  [[nodiscard]] std::optional<duration> delay(time_point at) noexcept;

 private:
  enum class counter : std::uint8_t {
    calls, hedged, won, wasted, not_idempotent, warming_up, failure_rate, load, no_other_target, pushback, budget
  };
  static constexpr std::size_t counter_count = 11;

  void count(counter c) noexcept {
    counters_[static_cast<std::size_t>(c)].fetch_add(1, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t read(counter c) const noexcept {
    return counters_[static_cast<std::size_t>(c)].load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::size_t inflight() const noexcept;
  enum class suits : std::uint8_t { yes, pushback, no };
  [[nodiscard]] suits suitable(std::size_t target, call& c, const inner_policies& inside, const targets_asked& asked,
                               time_point at) const noexcept;
  /// A target that suits, the better of two, or why there is none.
  suits pick(call& c, const inner_policies& inside, const targets_asked& asked, time_point at,
             std::size_t& picked) const noexcept;

  const hedge_options options_;
  const retry_budget budget_;
  latency_histogram latencies_;
  std::vector<target_state> targets_;  // without targets one, for the calls' own
  // Relaxed: numbers that publish nothing, for decisions that a little later could be others.
  std::array<std::atomic<std::uint64_t>, counter_count> counters_{};
};

}  // namespace tandem::resilience::detail
