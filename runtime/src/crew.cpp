#include "crew.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tandem::detail {
namespace {

// The reluctant thief: a task moves only if its worker does not get to it soon. Tasks that share a channel are faster
// on one worker than on two, so a queue that is being worked off is left alone.
constexpr duration first_look = std::chrono::microseconds(10);
constexpr duration longest_nap = std::chrono::milliseconds(1);
constexpr duration worth_moving = std::chrono::microseconds(50);  // a queue this long in time is shared
constexpr int dry_looks_before_parking = 2;

// A slot's item is taken from a worker that was stuck in one task for this long. Less would be taken for stuck when its
// thread only waits for a CPU, and two tasks that talk to each other would be torn apart.
constexpr duration stuck_for = std::chrono::milliseconds(3);

// A slot's item waits for a task that computes for at most two of these, and the looks of one search.
constexpr duration watch_period = std::chrono::milliseconds(4);

}  // namespace

crew::crew(std::vector<seat*> seats) : seats_(std::move(seats)) { idle_.reserve(seats_.size()); }

void crew::inject(const queue_item* items, std::size_t n) noexcept {
  {
    const std::lock_guard hold(lock_);
    injected_.insert(injected_.end(), items, items + n);
    injected_size_.store(injected_.size(), std::memory_order_relaxed);
  }
  sync::atomic_thread_fence(std::memory_order_seq_cst);  // W1, W3
  if (seat* const napper = napping_.load(std::memory_order_relaxed)) napper->sleeper.unpark();
  if (idle_count_.load(std::memory_order_relaxed) != 0 && searching_.load(std::memory_order_relaxed) == 0) wake_one(nullptr);
}

queue_item crew::take_injected(seat& self) noexcept {
  if (!any_injected()) return 0;  // stale: found at the next look, or by park()
  queue_item first = 0;
  bool others_wait = false;
  {
    const std::lock_guard hold(lock_);
    if (injected_.empty()) return 0;
    first = injected_.front();
    injected_.pop_front();
    others_wait = !injected_.empty();
    // A fair share of the rest, so that the lock is not taken for each item.
    std::size_t more = std::min<std::size_t>(injected_.size() / seats_.size(), run_queue::capacity / 4);
    while (more > 0 && self.ring.push(injected_.front())) {
      injected_.pop_front();
      --more;
    }
    injected_size_.store(injected_.size(), std::memory_order_relaxed);
  }
  // What came while somebody was searching woke nobody. If the item we leave with holds us up, the rest must not wait.
  if (others_wait) added_work(self);
  return first;
}

std::deque<queue_item> crew::drain_injected() noexcept {
  const std::lock_guard hold(lock_);
  injected_size_.store(0, std::memory_order_relaxed);
  return std::exchange(injected_, {});
}

void crew::added_work(const seat& self) noexcept {
  if (seats_.size() == 1) return;
  sync::atomic_thread_fence(std::memory_order_seq_cst);  // W1
  if (idle_count_.load(std::memory_order_relaxed) != 0 && searching_.load(std::memory_order_relaxed) == 0)
    wake_one(&self);
}

void crew::wake_one(const seat* caller) noexcept {
  seat* chosen = nullptr;
  {
    const std::lock_guard hold(lock_);
    std::erase(idle_, caller);  // W5
    if (!idle_.empty()) {
      chosen = idle_.back();
      idle_.pop_back();
    }
    idle_count_.store(static_cast<unsigned>(idle_.size()), std::memory_order_relaxed);
  }
  if (chosen) chosen->sleeper.unpark();
}

crew::look crew::look_at(seat& s) noexcept {
  // Relaxed: a sign of life that is seen late makes the thief more eager, nothing else.
  return {&s, s.ring.look(), s.turns.load(std::memory_order_relaxed), s.next.has_item()};
}

crew::look crew::find_busiest(const seat& self, std::uint32_t first) noexcept {
  look busiest;
  const std::size_t n = seats_.size();
  for (std::size_t i = 0; i < n; ++i) {
    seat& s = *seats_[(first + i) % n];
    if (&s == &self) continue;
    if (const look l = look_at(s); !busiest.where || l.size() > busiest.size()) busiest = l;
  }
  return busiest;
}

// A worker that computes for long may hold one item while others work off longer queues: it must have its turn too.
seat& crew::another(const seat& self, std::uint32_t& next) noexcept {
  for (;;)
    if (seat& s = *seats_[++next % seats_.size()]; &s != &self) return s;
}

queue_item crew::take_own(seat& self) noexcept {
  if (const queue_item item = self.next.take()) return item;
  return self.ring.pop();
}

queue_item crew::steal(seat& self, const look& before, const look& after, duration window) noexcept {
  seat& victim = *before.where;
  const std::uint32_t taken = after.ring.head - before.ring.head;
  if (after.ring.size != 0 && (taken == 0 || window * after.ring.size / taken > worth_moving)) {
    std::array<queue_item, run_queue::capacity / 2> loot;
    if (const std::uint32_t n = victim.ring.steal(loot)) {
      for (std::uint32_t i = 1; i < n; ++i) self.ring.push(loot[i]);  // fits: the ring was empty
      return loot[0];
    }
  }
  return 0;
}

queue_item crew::steal_slot(stuck_worker& stuck, const look& before, const look& after, time_point start) noexcept {
  if (stuck.where && stuck.where != before.where) return 0;  // one at a time
  if (!before.slot || after.turns != before.turns) {
    stuck.where = nullptr;
    return 0;
  }
  if (!stuck.where || stuck.turns != before.turns) stuck = {before.where, before.turns, start};
  return sync::clock_now() - stuck.since >= stuck_for ? before.where->next.steal() : 0;
}

// True if this worker may go on searching: false if another one naps already (W3).
bool crew::nap(seat& self, time_point until) noexcept {
  seat* nobody = nullptr;
  if (!napping_.compare_exchange_strong(nobody, &self, std::memory_order_relaxed, std::memory_order_relaxed))
    return false;
  sync::atomic_thread_fence(std::memory_order_seq_cst);  // W3
  if (injected_size_.load(std::memory_order_relaxed) == 0) self.sleep(std::min(self.next_due(), until));
  napping_.store(nullptr, std::memory_order_relaxed);  // a late unpark() only costs a turn
  return true;
}

queue_item crew::search(seat& self, std::uint32_t random) noexcept {
  if (seats_.size() == 1) return 0;
  searching_.fetch_add(1, std::memory_order_relaxed);  // read after the fences of W1
  queue_item found = 0;
  duration window = first_look;
  unsigned rounds = 0;
  stuck_worker stuck;
  for (int dry = 0; dry < dry_looks_before_parking && !called();) {
    const look before = rounds++ % 2 == 0 ? find_busiest(self, random) : look_at(another(self, random));
    const time_point start = sync::clock_now();
    if (window <= first_look) {
      for (self.poll(); !self.polled && sync::clock_now() - start < window; self.poll()) {
        if (injected_size_.load(std::memory_order_relaxed) != 0) break;
        sync::spin_pause();
      }
    } else if (!nap(self, start + window)) {
      break;
    }
    window = std::min(window * 2, longest_nap);
    if (std::exchange(self.polled, false) && (found = take_own(self))) break;
    if ((found = take_injected(self))) break;
    if (self.anything_due()) break;
    const look after = look_at(*before.where);
    found = steal(self, before, after, sync::clock_now() - start);
    if (!found) found = steal_slot(stuck, before, after, start);
    if (found) {
      steals_.fetch_add(1, std::memory_order_relaxed);
      break;
    }
    dry = after.ring.size == 0 && stuck.where != before.where ? dry + 1 : 0;
  }
  const bool last = searching_.fetch_sub(1, std::memory_order_relaxed) == 1;  // ordered by the fence of W1 that follows
  if (found && last) added_work(self);  // W2
  return found;
}

// Whoever calls a worker takes it off the list.
bool crew::is_left_asleep(const seat& self) noexcept {
  const std::lock_guard hold(lock_);
  return !called() && injected_.empty() && std::ranges::find(idle_, &self) != idle_.end();
}

void crew::park(seat& self) noexcept {
  bool watch = false;
  {
    const std::lock_guard hold(lock_);
    if (!injected_.empty()) return;
    watch = !watched_.load(std::memory_order_relaxed) && idle_.size() + 1 < seats_.size();  // W4
    if (watch) watched_.store(true, std::memory_order_relaxed);
    idle_.insert(watch ? idle_.begin() : idle_.end(), &self);
    idle_count_.store(static_cast<unsigned>(idle_.size()), std::memory_order_relaxed);
    ++times_parked_;
    if (idle_.size() == seats_.size())
      for (parker* const onlooker : onlookers_) onlooker->unpark();
  }
  sync::atomic_thread_fence(std::memory_order_seq_cst);  // W1
  bool work = called();
  if (searching_.load(std::memory_order_relaxed) == 0)  // W2
    for (std::size_t i = 0; i < seats_.size() && !work; ++i) work = seats_[i]->ring.look().size > 0;
  // Other threads may make something due here; they unpark us after that, so a stale answer only costs a turn.
  if (!work) {
    const time_point watch_ends = watch ? sync::clock_now() + watch_period : no_deadline;
    for (;;) {
      const bool woken = self.sleep(std::min(self.keep_time(), watch_ends));
      if (self.polled || self.anything_due() || (watch && sync::clock_now() >= watch_ends)) break;
      // Not woken: others have done meanwhile what there was to see to. Woken, but not called: to keep time. Were it to
      // search for work then, whoever goes to sleep meanwhile would keep watch for it, wake it by the end of that, and
      // so on.
      if (woken && !is_left_asleep(self)) break;
    }
  }
  {
    const std::lock_guard hold(lock_);
    std::erase(idle_, &self);
    idle_count_.store(static_cast<unsigned>(idle_.size()), std::memory_order_relaxed);
    if (watch) watched_.store(false, std::memory_order_relaxed);
  }
  if (std::exchange(self.polled, false) && watch) ensure_watch(self);  // W4
  self.stop_keeping_time();
}

crew::figures crew::count() {
  figures seen;
  for (seat* const s : seats_) seen.queues.push_back(look_at(*s).size());
  seen.searching = searching_.load(std::memory_order_relaxed);
  seen.steals = steals_.load(std::memory_order_relaxed);
  const std::lock_guard hold(lock_);
  seen.asleep = idle_.size();
  seen.injected = injected_.size();
  seen.parks = times_parked_;
  return seen;
}

bool crew::all_asleep(std::uint64_t& parked) {
  const std::lock_guard hold(lock_);
  const bool same = parked == 0 || parked == times_parked_;
  parked = times_parked_;
  return same && idle_.size() == seats_.size() && injected_.empty();
}

void crew::add_onlooker(parker& sleeper) {
  const std::lock_guard hold(lock_);
  onlookers_.push_back(&sleeper);
}

void crew::remove_onlooker(parker& sleeper) noexcept {
  const std::lock_guard hold(lock_);
  std::erase(onlookers_, &sleeper);
}

void crew::wake_longest_asleep(const seat* except) noexcept {
  const std::lock_guard hold(lock_);
  const auto chosen = std::find_if(idle_.begin(), idle_.end(), [&](const seat* s) { return s != except; });
  if (chosen != idle_.end()) (*chosen)->sleeper.unpark();
}

void crew::stop() noexcept {
  stop_.store(true, std::memory_order_release);
  wake_all();
}

void crew::ask_rest(bool rest) noexcept {
  rest_asked_.store(rest, std::memory_order_release);
  if (rest) wake_all();
}

// A worker that has not seen the call yet finds its parker notified when it goes to sleep.
void crew::wake_all() noexcept {
  for (seat* const s : seats_) s->sleeper.unpark();
}

}  // namespace tandem::detail
