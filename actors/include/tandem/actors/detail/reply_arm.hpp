// The arm of a select that asks an actor.
#pragma once
#include <cstdint>
#include <utility>

#include <tandem/actors/detail/operations.hpp>
#include <tandem/csp/detail/select_core.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/completion.hpp>
#include <tandem/runtime/detail/timer.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors::detail {

/// The part that does not depend on the type of the reply.
///
/// (K1) The message is sent by the first select that has to wait, and by no other. So an ask is not sent by a select
///      that finds another arm ready.
/// (K2) The ask is given up when the arm goes, not when a select ends: a stored arm keeps waiting from one select to
///      the next. What waits for room in the mailbox until then is in `waiter_`, and withdrawn by the destructor.
/// (K3) Both wakers, the completion and the timer, are left under their locks before a select ends (delist()), so
///      neither meets a selection that is gone.
class reply_arm_base : public csp::detail::select_arm, private tandem::detail::completion_waiter {
 public:
  reply_arm_base& operator=(const reply_arm_base&) = delete;

  [[nodiscard]] bool may_be_ready() const noexcept final;
  [[nodiscard]] bool attempt() noexcept final { return true; }  // what is ready stays ready until it is taken
  [[nodiscard]] csp::detail::commit enlist(tandem::detail::selection& own, std::uint32_t arm,
                                           tandem::detail::task_record& task) final;
  void delist(bool settled) noexcept final;

 protected:
  /// `answer` belongs to the derived class. `to` may be null, for an ask through an empty ref.
  reply_arm_base(target_ptr to, envelope_ptr message, time_point limit,
                 tandem::detail::completion_base* answer) noexcept;
  reply_arm_base(reply_arm_base&& other) noexcept;
  ~reply_arm_base();

  [[nodiscard]] bool answered() const noexcept { return answer_ && answer_->is_ready(); }
  [[nodiscard]] time_point limit() const noexcept { return limit_; }
  [[nodiscard]] const target* target_asked() const noexcept { return to_.get(); }
  /// Why there is no answer.
  [[nodiscard]] error failure() const;

 private:
  enum class stage : std::uint8_t { fresh, sent, failed };

  struct limit_timer : tandem::detail::timer_node {
    explicit limit_timer(reply_arm_base& a) noexcept;
    reply_arm_base* arm;
  };

  void send() noexcept;

  target_ptr to_;
  room_waiter waiter_;
  tandem::detail::completion_base* answer_;
  time_point limit_;
  limit_timer timer_;
  tandem::detail::selection* select_ = nullptr;
  std::uint32_t arm_ = 0;
  stage stage_ = stage::fresh;
  bool queued_ = false;  // the message may still wait for room
};

template <class R>
class [[nodiscard]] reply_arm final : public reply_arm_base {
 public:
  using outcome = result<R>;
  static constexpr bool repeats = false;

  explicit reply_arm(ask_operation<R>&& ask) noexcept
      : reply_arm_base(target_ptr(ask.to_), std::move(ask.waiter_.message), ask.limit_, ask.answer_.get()),
        answer_(std::move(ask.answer_)) {}
  reply_arm(reply_arm&& other) noexcept : reply_arm_base(std::move(other)), answer_(std::move(other.answer_)) {}

  /// Once, if this arm won.
  [[nodiscard]] outcome take() {
    if (!answered()) return fail(failure());
    return within(limit(), target_asked(), answer_.take());
  }

 private:
  tandem::detail::completion_ptr<R> answer_;
};

}  // namespace tandem::actors::detail
