// What an inbox does whatever its messages are: taking them, and waiting for them.
#pragma once
#include <cstdint>
#include <concepts>
#include <coroutine>

#include <tandem/actors/actor_context.hpp>
#include <tandem/actors/detail/envelope.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/csp/detail/select_core.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::actors::detail {

class cell;

/// Why a receive ends without a message.
enum class receive_end : std::uint8_t {
  message,      // it does not
  nothing,      // what woke it was none for it
  over,         // the context is over
  stopped,      // the actor is to end
  unreachable,  // nobody can send it anything
  not_its_own   // the caller is another task
};

/// A select that waits for a message of a mailbox; in its arm. Guarded by the mailbox's lock while it is listed.
struct receive_slot {
  tandem::detail::selection* select = nullptr;
  std::uint32_t arm = 0;
  envelope_filter wanted = nullptr;
  bool listed = false;
  receive_slot* next = nullptr;
};

/// The consumer's side of a cell whose body is one coroutine. Used by that coroutine, and by the turn.
///
/// (N1) The messages taken from the mailbox and not received yet wait in the cell; they count as held.
/// (N2) A receive that waits falls asleep under the mailbox's lock (M1), so whoever posts or pokes schedules it; on the
///      worker it looks whether there is something for it, and otherwise sleeps again. Asleep, it touches nothing.
/// (N3) A receive in a select leaves a slot in the mailbox. Who posts something that is wanted decides the selection and
///      wakes its task, all under the mailbox's lock, which delist() takes before the selection can end.
class inbox_core {
 public:
  explicit inbox_core(actor_context& self) noexcept : self_(self) {}
  inbox_core(const inbox_core&) = delete;
  inbox_core& operator=(const inbox_core&) = delete;

  [[nodiscard]] actor_context& self() const noexcept { return self_; }
  [[nodiscard]] std::size_t depth() const noexcept;
  [[nodiscard]] bool is_own(const tandem::detail::task_record& task) const noexcept;

  /// context_over() of the actor's task.
  [[nodiscard]] bool is_over(tandem::detail::task_record& task) const noexcept;
  /// May look() find something? Looks without a lock, but misses nothing that happened before.
  [[nodiscard]] bool may_have(envelope_filter wanted) const noexcept;
  /// True if a wanted message was taken from the mailbox, and nothing is more urgent.
  [[nodiscard]] bool has_taken(envelope_filter wanted) const noexcept;
  /// Takes what the mailbox has, and tells whether a wanted message is there, or why there will be none.
  [[nodiscard]] receive_end look(envelope_filter wanted) noexcept;
  /// After that: the oldest message that is wanted; null if its asker does not wait any more.
  [[nodiscard]] envelope_ptr take(envelope_filter wanted) noexcept;
  /// Why there is none.   Errors: throws std::logic_error for `not_its_own`.
  [[nodiscard]] error why(receive_end how) const;
  /// Somebody sent what cannot be received: he is told.
  void reject(envelope& message, const error& why) noexcept;

  /// True if the caller must suspend; then it may run elsewhere already. end_wait() must follow.
  [[nodiscard]] bool wait(tandem::detail::task_record& task, envelope_filter wanted) noexcept;
  void end_wait(tandem::detail::task_record& task) noexcept;

  /// False: there is something to look at.
  [[nodiscard]] bool enlist(receive_slot& slot, tandem::detail::selection& own, std::uint32_t arm,
                            envelope_filter wanted) noexcept;
  void delist(receive_slot& slot) noexcept;

 private:
  [[nodiscard]] cell& whose() const noexcept;
  static void cancel(tandem::detail::task_record& task) noexcept;
  static bool look_again(tandem::detail::task_record& task) noexcept;

  actor_context& self_;
  envelope_filter wanted_ = nullptr;  // of the wait in progress
};

/// Awaitable, and an arm of select().
class receive_base : public csp::detail::select_arm, public tandem::detail::awaitable_base {
 public:
  receive_base& operator=(const receive_base&) = delete;

  bool await_ready() noexcept;
  template <std::derived_from<tandem::detail::promise_base> P>
  [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<P> self) noexcept {
    return suspend(suspend_here(self, *this));
  }

  [[nodiscard]] bool may_be_ready() const noexcept final { return from_.may_have(wanted_); }
  [[nodiscard]] bool attempt() noexcept final;
  [[nodiscard]] csp::detail::commit enlist(tandem::detail::selection& own, std::uint32_t arm,
                                           tandem::detail::task_record& task) final;
  void delist(bool settled) noexcept final;

 protected:
  receive_base(inbox_core& from, envelope_filter wanted) noexcept : from_(from), wanted_(wanted) {}
  receive_base(receive_base&& other) noexcept : from_(other.from_), wanted_(other.wanted_) {}
  ~receive_base() = default;

  /// The message, typed or not; null: failure() says why.
  [[nodiscard]] envelope_ptr next() noexcept;
  /// Errors: throws std::logic_error if the caller is not the actor.
  [[nodiscard]] error failure() const { return from_.why(how_); }

  inbox_core& from_;

 private:
  bool suspend(tandem::detail::task_record& task) noexcept;

  const envelope_filter wanted_;
  receive_end how_ = receive_end::nothing;
  bool waited_ = false;
  receive_slot slot_;
};

}  // namespace tandem::actors::detail
