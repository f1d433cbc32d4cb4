// The workers of one runtime as they see each other: who sleeps, who looks for work, and what came from outside.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/sync.hpp>
#include <tandem/runtime/time.hpp>

#include "next_slot.hpp"
#include "parker.hpp"
#include "run_queue.hpp"

namespace tandem::detail {

/// A worker's place in the crew.
struct seat {
  seat() = default;
  explicit seat(sleeping_place& elsewhere) noexcept : sleeper(&elsewhere) {}

  run_queue ring;
  next_slot next;  // what the worker made runnable last
  parker sleeper;
  sync::atomic<std::uint32_t> turns{0};  // written by the owner only: looks for an item so far, a sign of life
  bool polled = false;  // the owner's: poll() or sleep() did something, which may have put items into ring and slot

  /// When its worker has something to do even if no item comes; no_deadline for never. Threads: the owner's.
  [[nodiscard]] virtual time_point next_due() const noexcept = 0;
  /// Is there anything to do without an item: has next_due() come, or something that keep_time() sees to?
  [[nodiscard]] virtual bool anything_due() const noexcept { return next_due() <= sync::clock_now(); }
  /// The worker goes to sleep, and counts as asleep already: until when? stop_keeping_time() follows when it has left.
  [[nodiscard]] virtual time_point keep_time() noexcept { return next_due(); }
  virtual void stop_keeping_time() noexcept {}

  /// Sees to what comes from outside and is no item. Never waits.
  virtual void poll() noexcept {}
  /// sleeper.park(), or a sleep that ends for what poll() sees to as well, and does that.
  virtual bool sleep(time_point deadline) noexcept { return sleeper.park(deadline); }

 protected:
  ~seat() = default;
};

/// Hands out work that is not in a worker's own queues, and puts workers to sleep when there is none.
///
/// (W1) Whoever adds work makes it visible, then looks whether somebody sleeps or searches; whoever goes to sleep
///      announces that, then looks at all queues once more. Both with a seq_cst fence in between, so at least one of
///      them sees the other.
/// (W2) A worker that searches answers for all work that is not worked off: before it stops it has either woken another
///      (it found an item), or looks again as in W1 (it goes to sleep). So nobody is woken while one searches, and one
///      that goes to sleep may leave the second look to him.
/// (W3) One searcher at a time naps. Injecting ends its nap; it announces the nap, then looks at what is injected.
/// (W4) A task that computes for long neither comes to what it made runnable nor wakes anybody for it. So while some
///      workers sleep and others do not, one of the sleepers keeps watch: it wakes every watch_period to search.
///      A worker that puts an item into its slot sees to it that there is a watch; it left idle_ under the lock, so it
///      has seen the last watch end. Or it polled in its sleep, and is the watch itself: it looks again when it has
///      left.
/// (W5) A worker may poll in its sleep, and add work while it counts as asleep. It wakes another one for it, not
///      itself.
class crew {
 public:
  /// `seats` of one pointer per worker, constant from now on, that outlive the crew.
  explicit crew(std::vector<seat*> seats);

  /// Any thread: queues items from outside the workers, and wakes one for them.   Errors: none; out of memory ends the
  /// program.
  void inject(const queue_item* items, std::size_t n) noexcept;
  /// A hint.
  [[nodiscard]] bool any_injected() const noexcept { return injected_size_.load(std::memory_order_relaxed) != 0; }
  /// One of the injected items; a share of the rest goes into the ring of `self`. 0 if there is none.
  queue_item take_injected(seat& self) noexcept;
  /// Everything injected, in order. Only while no worker runs.
  [[nodiscard]] std::deque<queue_item> drain_injected() noexcept;

  /// After an item was put into the ring of `self`: wakes a sleeper to search, unless one searches already.
  void added_work(const seat& self) noexcept;
  /// After an item was put into the slot of `self`: sees to it that somebody keeps watch (W4). Two loads, nearly
  /// always.
  void ensure_watch(const seat& self) noexcept {
    // Relaxed: what was true when the caller left idle_ is visible (W4), and anything newer is as good.
    if (watched_.load(std::memory_order_relaxed) || idle_count_.load(std::memory_order_relaxed) == 0) return;
    if (searching_.load(std::memory_order_relaxed) == 0) wake_one(&self);
  }

  /// Looks for an item that others have and do not come to. 0 after some looks in vain, or if something is due.
  /// `random` decides where to look first.
  queue_item search(seat& self, std::uint32_t random) noexcept;
  /// Sleeps until woken, or something is due; not at all if there is work already.
  void park(seat& self) noexcept;

  /// For reports: each figure is of some moment.
  struct figures {
    std::size_t asleep = 0;
    unsigned searching = 0;
    std::size_t injected = 0;
    std::vector<std::uint32_t> queues;  // the length of each worker's, its slot included
    std::uint64_t parks = 0;            // times that workers went to sleep so far
    std::uint64_t steals = 0;           // times that a worker took from another's queue so far
  };
  [[nodiscard]] figures count();

  /// Does every worker sleep, and is nothing injected? `parked`: 0 in a first look. It gives a number to the next one,
  /// which finds out with it whether a worker woke in between: then the answer is no as well.
  [[nodiscard]] bool all_asleep(std::uint64_t& parked);
  /// `sleeper` is unparked whenever the last worker falls asleep.
  void add_onlooker(parker& sleeper);
  void remove_onlooker(parker& sleeper) noexcept;

  /// Does anybody sleep?   Memory: seq_cst, so that who announced himself before a seq_cst fence is seen or sees.
  [[nodiscard]] bool any_asleep() const noexcept { return idle_count_.load(std::memory_order_seq_cst) != 0; }
  /// Does anybody run items, of all who neither sleep nor search? A hint; but who falls asleep last is told no.
  [[nodiscard]] bool any_runs() const noexcept {
    return idle_count_.load(std::memory_order_relaxed) + searching_.load(std::memory_order_relaxed) < seats_.size();
  }
  /// Wakes who is the last to be woken for work, but not `except`: to see to what is due elsewhere.
  void wake_longest_asleep(const seat* except) noexcept;

  /// Workers must leave: ends every sleep and search from now on.
  void stop() noexcept;
  [[nodiscard]] bool stopped() const noexcept { return stop_.load(std::memory_order_acquire); }
  /// Workers must rest between two tasks, or need not any more.
  void ask_rest(bool rest) noexcept;
  [[nodiscard]] bool rest_asked() const noexcept { return rest_asked_.load(std::memory_order_acquire); }

 private:
  struct look {
    seat* where = nullptr;
    run_queue::sample ring{};
    std::uint32_t turns = 0;
    bool slot = false;
    [[nodiscard]] std::uint32_t size() const noexcept { return ring.size + (slot ? 1 : 0); }
  };
  static look look_at(seat& s) noexcept;
  look find_busiest(const seat& self, std::uint32_t first) noexcept;
  seat& another(const seat& self, std::uint32_t& next) noexcept;
  // Whose slot the searcher has an eye on: it has found it in the same task since then.
  struct stuck_worker {
    seat* where = nullptr;
    std::uint32_t turns = 0;
    time_point since{};
  };
  static queue_item take_own(seat& self) noexcept;
  queue_item steal(seat& self, const look& before, const look& after, duration window) noexcept;
  queue_item steal_slot(stuck_worker& stuck, const look& before, const look& after, time_point start) noexcept;
  bool nap(seat& self, time_point until) noexcept;
  bool is_left_asleep(const seat& self) noexcept;
  void wake_one(const seat* caller) noexcept;
  void wake_all() noexcept;
  [[nodiscard]] bool called() const noexcept { return stopped() || rest_asked(); }

  const std::vector<seat*> seats_;

  sync::mutex lock_;
  std::deque<queue_item> injected_;  // guarded by lock_
  std::vector<seat*> idle_;          // guarded by lock_; woken from the back, who keeps watch stands in front
  std::uint64_t times_parked_ = 0;   // guarded by lock_: entries into idle_ so far
  std::vector<parker*> onlookers_;   // guarded by lock_
  sync::atomic<std::size_t> injected_size_{0};  // written under lock_, read as a hint
  sync::atomic<unsigned> idle_count_{0};        // written under lock_
  sync::atomic<bool> watched_{false};           // written under lock_ (W4)
  sync::atomic<unsigned> searching_{0};         // workers awake and looking for work
  sync::atomic<seat*> napping_{nullptr};        // a searcher asleep between two looks
  std::atomic<std::uint64_t> steals_{0};        // relaxed: for reports; no step that a model need schedule

  sync::atomic<bool> stop_{false};
  sync::atomic<bool> rest_asked_{false};
};

}  // namespace tandem::detail
