// A pool's message on its way through a worker.
#pragma once
#include <memory>
#include <typeinfo>
#include <utility>

#include <tandem/actors/detail/envelope.hpp>
#include <tandem/actors/detail/pool_target.hpp>

namespace tandem::actors::detail {

/// What the worker answers instead of the sender: passes that on, and tells the pool that the worker is free.
///
/// (N1) Told exactly once: done() after an answer, or when a message that was opened goes without; returned() when it
///      goes unopened (W1).
class message_in_hand final : public reply_sink, public tandem::detail::pooled {
 public:
  message_in_hand(pool_target& pool, std::shared_ptr<pool_target::worker> by, envelope_ptr message) noexcept
      : pool_(&pool), by_(std::move(by)), message_(std::move(message)) {}
  ~message_in_hand() override {
    if (!message_) return;
    if (opened_) {
      settle();
    } else {
      pool_->returned(by_, std::move(message_), why_);
    }
  }

  [[nodiscard]] envelope& message() noexcept { return *message_; }
  void refused(error why) noexcept { why_ = std::move(why); }
  /// Answered, though the worker has not seen it.
  void expire(const error& why) noexcept {
    undeliverable(*pool_, *message_, why);
    settle();
  }
  [[nodiscard]] void* open(const std::type_info& as) noexcept {
    const auto* const known = pool_->messages_.find(message_->tag());
    if (!known || *known->message != as) return nullptr;
    opened_ = true;
    return known->value(*message_);
  }

  void reply(std::size_t, fill_ref) noexcept override { settle(); }  // not used: reply_value() takes all values
  bool reply_value(void* value, const std::type_info&) noexcept override {
    pool_->messages_.find(message_->tag())->reply(*message_, value);
    settle();
    return true;
  }
  void fail(error why) noexcept override {
    undeliverable(*pool_, *message_, why);
    settle();
  }

 private:
  void settle() noexcept {
    message_.reset();
    pool_->done(by_);
  }

  const basic_target_ptr<pool_target> pool_;  // W3
  const std::shared_ptr<pool_target::worker> by_;
  envelope_ptr message_;
  bool opened_ = false;
  error why_;
};

/// The form in which a worker's mailbox has it. It waits for room in a node of its own, if others have filled that.
class handed_message final : public envelope {
 public:
  explicit handed_message(std::unique_ptr<message_in_hand> hand) noexcept
      : envelope(form::foreign, nullptr, hand->message().is_ask(), hand->message().deadline()), hand_(std::move(hand)) {
    set_lane(hand_->message().lane());
  }

  [[nodiscard]] std::string type_name() const override {
    return hand_ ? hand_->message().type_name() : "a message of a pool";
  }
  [[nodiscard]] foreign_value extract(const std::type_info& as) noexcept override { return {hand_->open(as), true}; }
  [[nodiscard]] std::unique_ptr<reply_sink> take_sink() noexcept override { return std::move(hand_); }
  // The worker has ended, or refuses it. Nobody is told: the message goes on to another.
  bool fail(error why) noexcept override {
    if (hand_ && hand_->message().expired()) {
      std::exchange(hand_, nullptr)->expire(why);
    } else if (hand_) {
      hand_->refused(std::move(why));
    }
    return true;
  }

  room_waiter waiter;

 private:
  std::unique_ptr<message_in_hand> hand_;
};

}  // namespace tandem::actors::detail
