// probe: an actor that the test plays. It takes what the probe was sent, message by message, and answers.
//
//   probe<void(order), price(quote)> shop(stage, "shop");
//   auto customer = stage.spawn<shopper>(shop.ref());
//   …
//   auto asked = shop.take<quote>();
//   EXPECT_EQ(asked.message.what, "bread");
//   asked.answer(price{3});
#pragma once
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/detail/open_message.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/actors/reply_to.hpp>
#include <tandem/actors/spawn_options.hpp>
#include <tandem/testing/actors.hpp>

namespace tandem::testing {

/// What a probe took. One of an ask has its answer; destroyed unanswered, the asker gets errc::unavailable.
template <class Signature>
struct taken;
template <class M>
struct taken<void(M)> {
  M message;
};
template <class R, class M>
struct taken<R(M)> {
  M message;
  actors::reply_to<R> asker;

  /// As reply_to::answer(), and lets the asker go on.
  void answer(result<R> outcome) {
    asker.answer(std::move(outcome));
    stage->sim().run_until_idle();
  }

  actor_stage* stage = nullptr;  ///< Not for users.
};

namespace stage_detail {

template <class... Signatures>
using probe_inbox = std::deque<std::variant<taken<Signatures>...>>;

template <class S, class Inbox>
class probe_handler;
template <class M, class Inbox>
class probe_handler<void(M), Inbox> {
 public:
  explicit probe_handler(Inbox& i) noexcept : inbox_(i) {}
  void on(M message) { inbox_.push_back(taken<void(M)>{std::move(message)}); }

 private:
  Inbox& inbox_;
};
template <class R, class M, class Inbox>
class probe_handler<R(M), Inbox> {
 public:
  explicit probe_handler(Inbox& i) noexcept : inbox_(i) {}
  void on(M message, actors::reply_to<R> asker) {
    inbox_.push_back(taken<R(M)>{std::move(message), std::move(asker)});
  }

 private:
  Inbox& inbox_;
};

template <class... Signatures>
class probe_actor : public probe_handler<Signatures, probe_inbox<Signatures...>>... {
  using inbox = probe_inbox<Signatures...>;

 public:
  using protocol = actors::protocol<Signatures...>;
  explicit probe_actor(std::shared_ptr<inbox> in) : probe_handler<Signatures, inbox>(*in)..., inbox_(std::move(in)) {}
  using probe_handler<Signatures, inbox>::on...;

 private:
  const std::shared_ptr<inbox> inbox_;
};

[[noreturn]] void nothing_to_take(const std::string& who, const std::string& wanted, const std::string& got);

}  // namespace stage_detail

/// Threads: the simulation's. The stage outlives it.
template <class... Signatures>
class probe {
  using actor = stage_detail::probe_actor<Signatures...>;
  using inbox = stage_detail::probe_inbox<Signatures...>;

 public:
  explicit probe(actor_stage& stage, std::string name = "probe")
      : stage_(stage), name_(std::move(name)), ref_(stage.spawn<actor>(actors::spawn_actor_options(name_), inbox_)) {}

  [[nodiscard]] const actors::actor_ref<Signatures...>& ref() const noexcept { return ref_; }

  /// The next message, which must be an M; it is delivered first if the probe has none yet.
  /// Errors: throws std::runtime_error if there is none, or another one; that stays.
  template <class M>
  auto take() {
    using signature = actors::detail::signatures_of<M, Signatures...>;
    static_assert(!std::is_void_v<signature>, "the probe has no such message");
    if (!has_next()) stage_detail::nothing_to_take(name_, actors::detail::type_of_message<M>().name, "nothing");
    auto* const next = std::get_if<taken<signature>>(&inbox_->front());
    if (!next) stage_detail::nothing_to_take(name_, actors::detail::type_of_message<M>().name, type_of_next());
    taken<signature> out = std::move(*next);
    if constexpr (requires { out.stage; }) out.stage = &stage_;
    inbox_->pop_front();
    return out;
  }

  /// True if take() would give something.
  [[nodiscard]] bool has_next() {
    while (inbox_->empty())
      if (!stage_.deliver(ref_)) return false;
    return true;
  }

 private:
  [[nodiscard]] std::string type_of_next() const {
    return std::visit([](const auto& t) { return actors::detail::type_of_message<decltype(t.message)>().name; },
                      inbox_->front());
  }

  actor_stage& stage_;
  const std::string name_;
  const std::shared_ptr<inbox> inbox_ = std::make_shared<inbox>();
  actors::actor_ref<Signatures...> ref_;
};

}  // namespace tandem::testing
