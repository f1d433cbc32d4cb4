// reply_to: the right, and the duty, to answer one ask. For answers that come later than the handler's end.
//
//   void on(fetch f, reply_to<page> to) { waiting.push_back({f.url, std::move(to)}); }   // and later: to.answer(…)
#pragma once
#include <memory>
#include <utility>

#include <tandem/actors/detail/message.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

namespace detail {
/// What an asker gets whose reply_to was destroyed.
[[nodiscard]] error never_answered();
/// `what` needs an ask.   Errors: throws std::logic_error.
[[noreturn]] void answered_before(const char* what);
}  // namespace detail

/// Taken by a handler as its second parameter: `void on(Message, reply_to<Reply>)` or a coroutine of the same. Such a
/// handler takes its message by value. Forwarded, it lets another actor answer: see actor_ref::forward().
///
/// Owns:    the ask. Destroyed unanswered, it fails the asker with errc::unavailable: nobody waits in vain.
/// Threads: as a unique_ptr; it may be answered on any thread, also after the actor has ended.
template <class R>
class [[nodiscard]] reply_to {
 public:
  reply_to() = default;
  reply_to(reply_to&&) noexcept = default;
  reply_to& operator=(reply_to&& other) noexcept {
    reply_to old(std::move(*this));
    ask_ = std::move(other.ask_);
    return *this;
  }
  ~reply_to() {
    if (ask_) ask_->fail(detail::never_answered());
  }

  /// Gives the answer, or an error instead. Nobody may be waiting for it any more; that is no error.
  /// Errors: throws std::logic_error if it was answered, forwarded or moved from before.
  void answer(result<R> outcome) {
    if (!ask_) [[unlikely]] detail::answered_before("reply_to::answer()");
    std::exchange(ask_, nullptr)->reply(std::move(outcome));
  }

  /// True until it is answered, forwarded or moved from.
  [[nodiscard]] explicit operator bool() const noexcept { return ask_ != nullptr; }
  /// When the asker stops waiting; no_deadline if that is not known.
  [[nodiscard]] time_point deadline() const noexcept { return ask_ ? ask_->deadline() : no_deadline; }

  /// Not for users.
  explicit reply_to(std::unique_ptr<detail::answerable<R>> ask) noexcept : ask_(std::move(ask)) {}
  [[nodiscard]] std::unique_ptr<detail::answerable<R>> release() noexcept { return std::move(ask_); }

 private:
  std::unique_ptr<detail::answerable<R>> ask_;
};

}  // namespace tandem::actors
