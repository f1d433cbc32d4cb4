// One question, several who are asked, and the first answer that is no error.
#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include <tandem/actors/detail/message.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>

namespace tandem::actors::detail {

/// What the asker is told if nobody had an answer.
[[nodiscard]] error all_failed(std::vector<error> whys);

/// Shared by those that may still answer, and by whoever sends the questions until all are sent.
///
/// (G1) open_ counts them. Whoever takes it to zero, without an answer having come, fails the origin.
/// (G2) The origin is answered outside of the lock, by whoever took it.
template <class M, class R>
class race {
 public:
  using question = typed_envelope<M, R>;
  explicit race(std::unique_ptr<question> origin) noexcept : origin_(std::move(origin)) {}

  [[nodiscard]] const question& origin() const noexcept { return *origin_; }  // before the first copy is sent

  void enter() noexcept {
    const std::lock_guard hold(lock_);
    ++open_;
  }
  void answer(result<R> outcome) noexcept {
    if (!outcome) return leave(std::move(outcome).error());
    std::unique_ptr<question> origin;
    {
      const std::lock_guard hold(lock_);
      --open_;
      origin = std::move(origin_);
    }
    if (origin) origin->reply(std::move(outcome));
  }
  /// One that will not answer, and why; no reason: all questions are sent.
  void leave(error why) noexcept {
    std::unique_ptr<question> origin;
    std::vector<error> whys;
    {
      const std::lock_guard hold(lock_);
      if (why) whys_.push_back(std::move(why));
      if (--open_ != 0 || !origin_) return;
      origin = std::move(origin_);
      whys.swap(whys_);
    }
    origin->fail(all_failed(std::move(whys)));
  }
  /// Takes the question back, by whoever sends and has sent nothing.
  [[nodiscard]] std::unique_ptr<question> take_back() noexcept {
    const std::lock_guard hold(lock_);
    return std::move(origin_);
  }

 private:
  tandem::detail::spin_lock lock_;
  // Guarded by lock_.
  std::unique_ptr<question> origin_;
  std::vector<error> whys_;
  std::size_t open_ = 1;
};

/// One who is asked.
template <class M, class R>
class raced final : public typed_envelope<M, R> {
 public:
  raced(const M& v, std::shared_ptr<race<M, R>> in, time_point deadline)
      : typed_envelope<M, R>(v, true, deadline), in_(std::move(in)) {
    in_->enter();
    this->set_lane(in_->origin().lane());
  }
  ~raced() override {
    if (in_) in_->leave(error_of(errc::unavailable));
  }

  void reply(result<R> outcome) noexcept override {
    if (const auto in = std::move(in_)) in->answer(std::move(outcome));
  }
  bool fail(error why) noexcept override {
    if (const auto in = std::move(in_)) in->leave(std::move(why));
    return true;
  }
  result<void> complete_from_bytes(std::span<const std::byte> bytes) override {
    return decode_reply<R>(*this, bytes);
  }

 private:
  std::shared_ptr<race<M, R>> in_;
};

}  // namespace tandem::actors::detail
