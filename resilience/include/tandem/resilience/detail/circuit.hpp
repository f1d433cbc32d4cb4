// The state machine of a breaker, for one target or whatever it keeps apart.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <tandem/resilience/detail/guarded.hpp>
#include <tandem/resilience/detail/window.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::resilience {

struct breaker_options;

/// See breaker.hpp.
enum class circuit_state : std::uint8_t { closed, open, half_open };
[[nodiscard]] std::string_view to_string(circuit_state s) noexcept;

namespace detail {

/// What the circuits of a breaker have in common.
class circuit_group {
 public:
  explicit circuit_group(const breaker_options& o) noexcept : rules(o) {}
  const breaker_options& rules;
  std::atomic<std::size_t> not_closed{0};  // relaxed: whether all are is a guess anyway while they change
  /// True if options.isolation is as long as any isolation may be now, or become.
  [[nodiscard]] virtual bool all_isolated() const noexcept = 0;

 protected:
  ~circuit_group() = default;
};

/// From one state to another, or from one to the same: no change.
struct circuit_change {
  enum class cause : std::uint8_t { in_a_row, failure_rate, slow_rate, isolation_over, probe_failed, probes_succeeded };
  circuit_state from = circuit_state::closed;
  circuit_state to = circuit_state::closed;
  cause why = cause::in_a_row;
  std::uint32_t count = 0;
  std::uint32_t of = 0;
  [[nodiscard]] explicit operator bool() const noexcept { return from != to; }
};

/// Threads: none of its own; the lock of its place in `keyed` guards it.
class circuit {
 public:
  explicit circuit(circuit_group& group) noexcept;
  circuit(const circuit&) = delete;
  circuit& operator=(const circuit&) = delete;
  ~circuit() { count_as(circuit_state::closed); }

  /// How long a call that comes now must stay away; not more than zero: it may come in.
  [[nodiscard]] duration keeps_out_for(time_point at) const noexcept;
  /// A call comes in, after that.
  circuit_change let_in(time_point at) noexcept;
  /// For whom clocks may go back: called before the others.
  void notice(time_point at) noexcept;
  /// A call that came in in `generation` has ended.
  circuit_change ended(std::uint32_t generation, verdict v, bool slow, time_point at) noexcept;

  [[nodiscard]] circuit_state state() const noexcept { return state_; }
  [[nodiscard]] std::uint32_t generation() const noexcept { return generation_; }
  [[nodiscard]] bool may_go() const noexcept { return state_ == circuit_state::closed; }

 private:
  struct tally {
    std::uint32_t calls = 0;
    std::uint32_t failures = 0;
    std::uint32_t slow = 0;
    tally& operator+=(const tally& o) noexcept;
    tally& operator-=(const tally& o) noexcept;
  };

  [[nodiscard]] duration isolation() const noexcept;
  circuit_change count(verdict v, bool slow, time_point at) noexcept;
  circuit_change probed(verdict v, bool slow, time_point at) noexcept;
  circuit_change open(circuit_change::cause why, std::uint32_t count, std::uint32_t of, time_point at) noexcept;
  circuit_change go(circuit_state to, circuit_change::cause why, std::uint32_t count, std::uint32_t of,
                    time_point at) noexcept;
  void count_as(circuit_state s) noexcept;

  circuit_group& group_;
  circuit_state state_ = circuit_state::closed;
  std::uint32_t generation_ = 0;  // changes with the state
  time_point since_{};            // the last change; half open: or the last probe that came in
  std::uint32_t in_a_row_ = 0;    // failures while closed, successes while half open
  std::uint32_t probes_out_ = 0;
  duration doubled_{};    // the last isolation time; zero: it was never open
  duration isolation_{};  // the same with jitter
  std::int64_t calls_ = 0;
  window<tally> window_;
};

}  // namespace detail
}  // namespace tandem::resilience
