// Where a message goes: an actor of this process, or a node's link to one elsewhere. Refs point to a target.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <tandem/actors/detail/envelope.hpp>
#include <tandem/actors/detail/watcher.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/runtime/detail/task_record.hpp>

namespace tandem::actors::detail {

class target;

/// A message that waits for room, and perhaps its sender. Lives in the sender's awaiter.
///
/// (V1) Everything but `sender` is guarded by the target's lock once wait_for_room() was called; `phase` is also
///      touched under it by cancel_wait(), which may come before.
/// (V2) A waiter with a sender lives until the sender is made ready; one without may be gone as soon as the lock is
///      released after it left the list.
struct room_waiter {
  enum class phase : std::uint8_t {
    fresh,     // not in a list yet
    waiting,   // in the list, with its message
    admitted,  // the message was taken over: it is sent
    failed,    // the target ended; `why` says so; the message is still here
    cancelled  // withdrawn; the message is still here
  };

  room_waiter() = default;
  explicit room_waiter(envelope_ptr m) noexcept : message(std::move(m)) {}
  room_waiter(const room_waiter&) = delete;
  room_waiter& operator=(const room_waiter&) = delete;
  ~room_waiter();

  envelope_ptr message;
  tandem::detail::task_record* sender = nullptr;  // whom to wake; null if nobody sleeps for the room itself
  error why;
  // Where it waits, if what was asked is a router: written by that, and read by it to cancel. A share, because the
  // router may part with that target meanwhile.
  target* at = nullptr;
  room_waiter* previous = nullptr;
  room_waiter* next = nullptr;
  phase state = phase::fresh;
};

/// The waiters of one target in order of arrival. Every member runs under the target's lock.
class room_queue {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  /// The oldest waiter; null if there is none.
  [[nodiscard]] room_waiter* front() const noexcept { return first_; }

  /// False if the waiter was cancelled before it came here.
  [[nodiscard]] bool push(room_waiter& w) noexcept;
  /// The oldest waiter, in phase `to`; null if there is none. The caller wakes its sender after unlocking.
  [[nodiscard]] room_waiter* pop(room_waiter::phase to) noexcept;
  /// Withdraws `w`. True if its sender has to be woken for that.
  [[nodiscard]] bool cancel(room_waiter& w) noexcept;

 private:
  void unlink(room_waiter& w) noexcept;

  room_waiter* first_ = nullptr;
  room_waiter* last_ = nullptr;
};

/// Collects, under a lock, the senders to wake after it is released (V2).
class wake_list {
 public:
  void add(room_waiter& w) noexcept {
    if (!w.sender) return;
    w.next = std::exchange(first_, &w);
  }
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  /// Wakes senders that have left their queue in phase `failed`; nobody else knows their waiters any more.
  void fail_all(const error& why) noexcept {
    for (room_waiter* w = first_; w; w = w->next) w->why = why;
    wake_all();
  }
  void wake_all() noexcept {
    while (room_waiter* w = first_) {
      first_ = w->next;
      make_ready(*w->sender);  // the waiter's last moment
    }
  }

 private:
  room_waiter* first_ = nullptr;
};

/// Threads: every member may be called from any thread.
class target {
 public:
  target(const target&) = delete;
  target& operator=(const target&) = delete;

  // (T1) refs_ counts the refs. first_ref() and last_ref_gone() come in pairs; between them the target exists.
  // relaxed: whoever makes a ref has one, or runs inside the actor; nothing is published by it.
  void retain() noexcept {
    if (refs_.fetch_add(1, std::memory_order_relaxed) == 0) first_ref();
  }
  // Release orders this ref's accesses before the end, acquire lets whoever ends the target see them all.
  void release() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) last_ref_gone();
  }

  [[nodiscard]] virtual std::uint64_t id() const noexcept = 0;
  [[nodiscard]] virtual std::string target_name() const = 0;
  [[nodiscard]] virtual const protocol_info& protocol() const noexcept = 0;
  /// True if it is on another node. For reports: then senders wait for the link's credit, not for room in a mailbox.
  [[nodiscard]] virtual bool is_remote() const noexcept { return false; }
  /// Messages accepted and not handled yet, of some moment; 0 if that is not known here.
  [[nodiscard]] virtual std::size_t depth() const noexcept { return 0; }

  enum class delivery : std::uint8_t { delivered, full, failed };
  /// Takes `message` over if there is room (then it is null afterwards); failed: `why` says why.
  [[nodiscard]] virtual delivery try_deliver(envelope_ptr& message, error& why) noexcept = 0;

  /// After try_deliver() said full: takes the waiter's message as soon as there is room, and wakes its sender.
  /// The result is `waiting` (the sender must suspend; from then on it may be running elsewhere), or final and also in
  /// the waiter. A target that ends fails waiters with a sender, and fails the message itself for one without.
  [[nodiscard]] virtual room_waiter::phase wait_for_room(room_waiter& w) noexcept = 0;
  /// Withdraws a waiter that is still waiting, or has not come to wait_for_room() yet. True if its sender sleeps and
  /// has to be woken by the caller. Afterwards the target does not know the waiter.
  [[nodiscard]] virtual bool cancel_wait(room_waiter& w) noexcept = 0;

  /// Tells `w` when the target has ended; at once, before the call returns, if it has. False: it cannot be watched from
  /// here, and `w` is not told.
  virtual bool watch(watcher&) noexcept { return false; }
  /// False: `w` was told, or is being told.
  virtual bool unwatch(watcher&) noexcept { return false; }

  /// A message that was accepted here cannot be handled, and nobody waits to be told.
  virtual void report_dead_letter(const envelope& message, const error& why) noexcept = 0;

  /// False: there is no ref, at some moment of the call.
  [[nodiscard]] bool has_refs() const noexcept { return refs_.load(std::memory_order_acquire) != 0; }

 protected:
  target() = default;
  virtual ~target() = default;
  virtual void first_ref() noexcept {}
  virtual void last_ref_gone() noexcept { delete this; }

 private:
  std::atomic<std::uint32_t> refs_{0};
};

[[gnu::always_inline]] inline room_waiter::~room_waiter() {
  if (at) [[unlikely]] at->release();
}

/// What becomes of a message for which there is no room, if nobody waits.
[[nodiscard]] error mailbox_is_full(const char* whose);

/// Says why to an asker; a tell becomes a dead letter.
inline void undeliverable(target& to, envelope& message, const error& why) noexcept {
  if (!message.fail(why)) to.report_dead_letter(message, why);
}

/// A share of a target.
template <class T>
class basic_target_ptr {
 public:
  basic_target_ptr() = default;
  /*implicit*/ basic_target_ptr(T* t) noexcept : target_(t) {
    if (target_) target_->retain();
  }
  basic_target_ptr(const basic_target_ptr& other) noexcept : basic_target_ptr(other.target_) {}
  basic_target_ptr(basic_target_ptr&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  basic_target_ptr& operator=(basic_target_ptr other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~basic_target_ptr() {
    if (target_) target_->release();
  }
  [[nodiscard]] T* get() const noexcept { return target_; }
  T* operator->() const noexcept { return target_; }
  T& operator*() const noexcept { return *target_; }
  explicit operator bool() const noexcept { return target_ != nullptr; }

 private:
  T* target_ = nullptr;
};
using target_ptr = basic_target_ptr<target>;

/// An actor of this process.
class local_target : public target {
 public:
  /// True if the protocol has a wire message with this hash.
  [[nodiscard]] virtual bool accepts(std::uint32_t type_hash) const noexcept = 0;
  /// Queues a message from another node, whatever the mailbox's capacity: the link has a window of its own. It is
  /// parsed in the actor's turn; what does not parse, or is not in the protocol, fails with errc::invalid_argument.
  virtual void deliver_bytes(incoming message) noexcept = 0;

  /// Queues a message in its lane, whatever the mailbox's capacity.
  virtual void post(envelope_ptr message) noexcept = 0;

  /// Ends the actor after the handler that is running; `interrupt` also cancels that handler's context. No reason: a
  /// normal end. The first request counts. If it has a supervisor, that decides what becomes of it, unless `for_good`.
  virtual void request_exit(error reason, bool interrupt, bool for_good = false) noexcept = 0;
  /// For the actor itself: the system is there as long as that has not ended.
  [[nodiscard]] virtual actors::system& home() const noexcept = 0;
  /// Another for each system, and constant: whoever has a ref may compare.
  [[nodiscard]] virtual std::uint32_t system_number() const noexcept = 0;
};
using local_target_ptr = basic_target_ptr<local_target>;

}  // namespace tandem::actors::detail
