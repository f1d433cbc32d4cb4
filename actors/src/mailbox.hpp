// An actor's mailbox: any number of senders, one consumer that is woken when something arrives.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include <tandem/actors/detail/delivery_gate.hpp>
#include <tandem/actors/detail/envelope.hpp>
#include <tandem/actors/detail/envelope_list.hpp>
#include <tandem/actors/detail/inbox_core.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/actors/spawn_options.hpp>
#include <tandem/runtime/detail/biased_lock.hpp>
#include <tandem/runtime/detail/selection.hpp>

namespace tandem::actors::detail {

/// What the consumer has taken and not handled yet.
struct mail {
  std::array<envelope_list, lanes> of;

  [[nodiscard]] bool empty() const noexcept {
    return of[2].empty() && of[1].empty() && of[0].empty();  // not a loop, which would stay one
  }
  [[nodiscard]] envelope_list& operator[](lane l) noexcept { return of[static_cast<std::size_t>(l)]; }
  [[nodiscard]] const envelope_list& operator[](lane l) const noexcept { return of[static_cast<std::size_t>(l)]; }
  /// Of the first lane that has one; not if it is empty.
  [[nodiscard]] envelope_ptr pop() noexcept {
    if (!of[0].empty()) [[unlikely]] return of[0].pop();
    return of[1].empty() ? of[2].pop() : of[1].pop();
  }
  void append(mail&& others) noexcept {
    for (std::size_t i = 0; i < lanes; ++i) of[i].append(std::move(others.of[i]));
  }
  /// The oldest that is wanted, of the first lane that has one; null if none has.
  [[nodiscard]] envelope_ptr pop(envelope_filter wanted) noexcept {
    for (envelope_list& l : of)
      if (envelope_ptr found = l.pop(wanted)) return found;
    return nullptr;
  }
  /// Null if it is not there.
  [[nodiscard]] envelope_ptr pop(const envelope* which) noexcept {
    for (envelope_list& l : of)
      if (envelope_ptr found = l.pop(which)) return found;
    return nullptr;
  }
  [[nodiscard]] bool has(const envelope* which) const noexcept {
    return of[0].has(which) || of[1].has(which) || of[2].has(which);
  }
  [[nodiscard]] bool has(envelope_filter wanted) const noexcept {
    return of[0].has(wanted) || of[1].has(wanted) || of[2].has(wanted);
  }
  [[nodiscard]] envelope_list take_all() noexcept {
    envelope_list all;
    for (envelope_list& l : of) all.append(std::move(l));
    return all;
  }
};

/// What others want of the consumer, besides handling messages.
enum class stop : std::uint8_t {
  none,
  halt,  // stop what runs, and wait for its supervisor
  end    // for good
};

/// Bounded for senders that can wait, and for strangers that cannot; the control lane is not.
///
/// (M1) asleep_ is true while nobody runs the consumer and nothing is there for it. Whoever turns it false has to
///      schedule the consumer: the answer `wake` says so. So the consumer is scheduled at most once at a time.
/// (M2) held_ = messages in the urgent and the normal lane, plus those the consumer took and has not reported. Ones from
///      links count as well: a mailbox full of them holds up those who can wait.
/// (M3) While waiters_ is not empty, bounded messages join its end: no sender overtakes another.
/// (M4) After close() nothing is ever queued.
/// (M5) While paused_, there is no consumer. Messages come, and nobody is woken for them; a request to end, and nudge(),
///      turn it false and are answered `wake`.
/// (M6) A consumer that waits in a select is awake, and has slots here: who posts what one of them wants decides the
///      select, which wakes the consumer if it sleeps.
/// (M7) `taken` belongs to the consumer; while that is asleep, to the holder of the lock, who gives it the message that
///      wakes it.
/// (M8) Of a gated mailbox, what comes stays at the gate, where it counts but is not there for the consumer, until
///      let_in(). See delivery_gate.hpp.
class mailbox {
 public:
  mailbox(std::size_t capacity, overflow when_full, bool gated)
      : when_full_(when_full),
        capacity_(capacity == 0 ? 1 : static_cast<std::uint32_t>(std::min(capacity, most))),
        at_gate_(gated ? new mail : nullptr) {}

  enum class posted : std::uint8_t {
    queued,
    wake,
    full,    // and the message is the caller's still
    closed,  // likewise
    dropped,  // the caller has to report what is in its place now: the message itself, or the oldest one
    dropped_and_wake
  };
  /// What the mailbox may do with a message there is no room for.
  enum class admission : std::uint8_t {
    by_policy,   // its sender can wait
    or_refuse,   // it cannot, and is a stranger: `full` when a few thousand are there beyond the capacity
    in_any_case  // control messages, and those a link has given credit for
  };

  /// Takes `e` over if queued or wake.   Threads: any, as all up to poke().
  posted push(envelope_ptr& e, admission how, coarse_time at) noexcept;
  /// Queues the waiter (`now` is `waiting`), or its message if there is room by now (`admitted`), unless it was
  /// `cancelled` before; closed: `failed`. After the call a waiter that waits is touched under the lock only (V1).
  posted wait(room_waiter& w, room_waiter::phase& now, coarse_time at) noexcept;
  /// See target::cancel_wait().
  bool cancel(room_waiter& w) noexcept;
  /// Asks the consumer to stop; `end` outweighs `halt`, otherwise the first request counts. queued, wake, or closed: it
  /// has ended; full: it was asked before. `why` is exchanged for what goes.
  posted request(stop what, error& why) noexcept;
  [[nodiscard]] bool is_closed() const noexcept { return closed_.load(std::memory_order_acquire); }
  /// True while the consumer has nothing to do (M1).
  [[nodiscard]] bool is_asleep() noexcept;
  [[nodiscard]] bool is_paused() noexcept;
  /// How many are held, of some moment (M2).
  [[nodiscard]] std::size_t depth() const noexcept { return held_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool is_gated() const noexcept { return at_gate_ != nullptr; }
  /// True if senders wait for room.
  [[nodiscard]] bool waits() const noexcept { return when_full_ == overflow::wait; }
  /// Messages that were refused or dropped because there was no room.
  [[nodiscard]] std::uint64_t overflows() const noexcept { return overflows_.load(std::memory_order_relaxed); }
  /// When the oldest message arrived that the consumer has not taken; false if there is none.
  [[nodiscard]] bool oldest(coarse_time& arrived) noexcept;
  /// wake if the consumer was asleep, or paused and `paused_too`: it gets a turn with nothing to do.
  posted nudge(bool paused_too) noexcept;
  /// The same; and a consumer that is awake does not fall asleep the next time it wants to.
  posted poke() noexcept;

  // Of a gated mailbox (M8).
  [[nodiscard]] held_at find_held(const envelope* which) noexcept;
  /// queued, wake, or closed: it is not there.
  posted let_in(const envelope* which) noexcept;
  /// Null if it is not there.
  [[nodiscard]] envelope_ptr take_from_gate(const envelope* which) noexcept;

  /// Consumer: what it has taken and not handled.
  mail taken;

  enum class rest : std::uint8_t { mail, asleep, out_of_reach };
  /// Consumer: reports `handled` messages as gone, lets waiters in, and takes what is there, behind what it has. If
  /// there is nothing, it is asleep, unless `out_of_reach()` says that nothing can come any more. `or_new`: what it has
  /// already is no reason to stay awake.
  template <class P>
  [[nodiscard]] rest refill(std::size_t handled, P out_of_reach, bool or_new = false) noexcept {
    wake_list woken;
    rest now = rest::mail;
    {
      const std::lock_guard hold(lock_);
      settle(handled, woken);
      const bool more = new_.load(std::memory_order_relaxed) || stop_ != stop::none || std::exchange(poked_, false) ||
                        (!or_new && !taken.empty());
      if (more) {
        move_taken();
      } else if (out_of_reach()) {
        now = rest::out_of_reach;
      } else {
        now = rest::asleep;
        asleep_ = true;
      }
    }
    if (!woken.empty()) [[unlikely]] woken.wake_all();
    return now;
  }
  /// Consumer: the same without falling asleep.
  void take(std::size_t handled) noexcept;
  /// Consumer: reports `handled` messages as gone and lets waiters in.
  void report(std::size_t handled) noexcept;
  /// Consumer: that many more count as taken and not reported, whatever the capacity.
  void readmit(std::size_t count) noexcept;
  /// Consumer: may take() find something? Misses nothing that happened before.
  [[nodiscard]] bool has_new() const noexcept { return new_.load(std::memory_order_acquire); }
  /// Consumer: false, and nothing is listed, if there is something new.
  [[nodiscard]] bool add(receive_slot& slot) noexcept;
  /// Consumer: when it returns, whoever decided the select by the slot has let go of it.
  void remove(receive_slot& slot) noexcept;
  /// Consumer: true if it was asked to stop, or something came into a lane before the normal one. Acquire: pairs with
  /// the release stores under the lock.
  [[nodiscard]] bool wanted() const noexcept { return wanted_.load(std::memory_order_acquire); }
  /// Consumer, if wanted(): takes those lanes, and tells what it was asked for.
  [[nodiscard]] stop look() noexcept;
  /// Consumer, asked to stop: why.
  [[nodiscard]] error stop_reason() noexcept;

  /// Consumer: it stops being one (M5). False if it was asked to end meanwhile.
  [[nodiscard]] bool pause() noexcept;
  /// Afterwards, by whoever becomes the consumer: requests to halt that came before are over, and `old` is why they
  /// were made. False: it was asked to end, and somebody else is the consumer.
  [[nodiscard]] bool resume(error& old) noexcept;
  /// Consumer: takes out what waits, in the order of the lanes; the senders that wait for room get it.
  [[nodiscard]] envelope_list flush() noexcept;
  /// Consumer: takes out what waits in the control lane.
  [[nodiscard]] envelope_list flush_control() noexcept;
  /// Consumer: closes, gives what was queued, and in `waiting` the senders that waited for room.
  [[nodiscard]] envelope_list close(wake_list& waiting) noexcept;

  /// How many messages the consumer may handle before it reports.
  [[nodiscard]] std::uint32_t report_every() const noexcept {
    if (when_full_ == overflow::drop_oldest) return 1;
    return capacity_ < 256 ? capacity_ / 4 + 1 : 64;
  }

 private:
  // Beyond the capacity, for those who can neither wait nor be told to.
  static constexpr std::uint32_t spare_for_strangers = 16384;
  static constexpr std::size_t most = 0xffff'0000;

  posted queued_answer() noexcept { return std::exchange(asleep_, false) ? posted::wake : posted::queued; }  // M1
  posted place(envelope_ptr e, coarse_time at) noexcept;
  posted enter(envelope_ptr e) noexcept;
  // What the consumer has not been shown.
  [[nodiscard]] mail& newest() noexcept { return at_gate_ ? *at_gate_ : queue_; }
  posted no_room(envelope_ptr& e, admission how, coarse_time at) noexcept;
  [[nodiscard]] envelope_ptr take_oldest(lane of) noexcept;
  void settle(std::size_t handled, wake_list& woken) noexcept {
    if (handled != 0) add_held(0 - handled);
    if (!waiters_.empty()) [[unlikely]] admit(woken);
  }
  void move_taken() noexcept;
  void decide(const envelope* message) noexcept;
  void admit(wake_list& woken) noexcept;
  void count_overflow() noexcept { overflows_.store(overflows() + 1, std::memory_order_relaxed); }
  // Under lock_, so no read-modify-write is needed.
  void add_held(std::size_t n) noexcept {
    held_.store(static_cast<std::uint32_t>(depth() + n), std::memory_order_relaxed);
  }

  tandem::detail::biased_lock lock_{*tandem::detail::tls_bias_seat};
  // Guarded by lock_, atomics for writing.
  bool asleep_ = false;
  bool paused_ = false;
  bool poked_ = false;
  stop stop_ = stop::none;
  const overflow when_full_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> wanted_{false};
  std::atomic<bool> new_{false};  // something is queued, or there is another reason to look
  std::atomic<std::uint32_t> held_{0};  // relaxed: depth() wants some moment's
  const std::uint32_t capacity_;
  std::atomic<std::uint64_t> overflows_{0};  // likewise
  mail queue_;
  const std::unique_ptr<mail> at_gate_;  // M8; null unless gated
  room_queue waiters_;
  receive_slot* slots_ = nullptr;
  error stop_reason_;
};

}  // namespace tandem::actors::detail
