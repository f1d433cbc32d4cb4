// One suspended task, several parties that may wake it: exactly one of them wins.
#pragma once
#include <cstdint>

#include <tandem/runtime/detail/sync.hpp>

namespace tandem::detail {

class task_record;

/// The state word of a wait that more than one party can end: a select's arms, a timer, a cancellation, a reply.
///
/// | state       | meaning                                             | who moves it on                         |
/// |-------------|-----------------------------------------------------|-----------------------------------------|
/// | registering | the owner runs and may already be visible to others | owner: park, begin_claim; others: claim |
/// | parked      | the owner is suspended, or about to be              | others: claim                           |
/// | claiming    | the owner runs and is about to claim a peer         | owner, within a few instructions        |
/// | done + arm  | decided                                             | nobody                                  |
///
/// (S1) Whoever moves the word to done + arm, and only he, completes that arm.
/// (S2) A claimer that found `parked` makes the task ready; one that found `registering` must not: the owner looks
///      itself. After a claim the claimer touches the selection no more, unless it holds a lock that the owner takes
///      before the selection's frame can end.
/// (S3) Nobody takes a lock while in `claiming`, so spinning on it while holding a lock ends.
class selection {
 public:
  enum class claimed : std::uint8_t { lost, registering, parked };

  selection() = default;
  selection(const selection&) = delete;
  selection& operator=(const selection&) = delete;

  /// Owner, before anybody else can see the selection: names the task that waits.
  void bind(task_record& owner) noexcept { owner_ = &owner; }

  /// Called by a third party, under the lock that keeps the owner's node alive.
  [[nodiscard]] claimed claim(std::uint32_t arm) noexcept {
    std::uint32_t seen = word_.load(std::memory_order_acquire);
    for (;;) {
      if (seen >= done_) return claimed::lost;
      if (seen == claiming_) {  // ends soon (S3)
        sync::spin_pause();
        seen = word_.load(std::memory_order_acquire);
        continue;
      }
      // Release publishes what the claimer wrote for the arm; the owner's acquire in decided() pairs with it.
      if (word_.compare_exchange_weak(seen, done_ + arm, std::memory_order_acq_rel, std::memory_order_acquire))
        return seen == parked_ ? claimed::parked : claimed::registering;
    }
  }

  /// claim(), and if that found the task parked, makes it ready. True if this arm won.
  bool claim_and_wake(std::uint32_t arm) noexcept;

  /// Owner: suspends for good. False if an arm was decided meanwhile; then the owner must not suspend.
  /// The last touch of the frame: from a true return on the task may run elsewhere.
  [[nodiscard]] bool park() noexcept {
    std::uint32_t expected = registering_;
    return word_.compare_exchange_strong(expected, parked_, std::memory_order_acq_rel, std::memory_order_acquire);
  }

  /// Owner, while registering: decides for `arm` itself. False if somebody else already decided.
  [[nodiscard]] bool decide(std::uint32_t arm) noexcept {
    std::uint32_t expected = registering_;
    return word_.compare_exchange_strong(expected, done_ + arm, std::memory_order_acq_rel, std::memory_order_acquire);
  }

  /// Owner, while registering: claims `arm` for itself together with `peer_arm` of another selection, or neither.
  /// Two selections that try this on each other do not deadlock: the one at the lower address waits.
  enum class paired : std::uint8_t { both, peer_gone, self_decided };
  [[nodiscard]] paired decide_with(std::uint32_t arm, selection& peer, std::uint32_t peer_arm,
                                   claimed& peer_state) noexcept;

  /// The arm that won, or -1 while undecided. Acquire: what the winner wrote before is visible.
  [[nodiscard]] int decided() const noexcept {
    const std::uint32_t seen = word_.load(std::memory_order_acquire);
    return seen >= done_ ? static_cast<int>(seen - done_) : -1;
  }

  [[nodiscard]] task_record& owner() const noexcept { return *owner_; }

 private:
  static constexpr std::uint32_t registering_ = 0, parked_ = 1, claiming_ = 2, done_ = 3;

  sync::atomic<std::uint32_t> word_{registering_};
  task_record* owner_ = nullptr;
};

}  // namespace tandem::detail
