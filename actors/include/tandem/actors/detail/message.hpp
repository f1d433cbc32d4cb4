// Envelopes with their message: told and asked within the process, or converted from bytes or from a CAF message.
#pragma once
#include <climits>
#include <memory>
#include <type_traits>
#include <utility>

#include <tandem/actors/detail/envelope.hpp>
#include <tandem/actors/detail/message_type.hpp>
#include <tandem/runtime/detail/completion.hpp>

namespace tandem::actors::detail {

template <class T>
[[nodiscard]] bool encode_into(const T& message, std::span<std::byte> out) {
  return out.size() <= INT_MAX && message.SerializeToArray(out.data(), static_cast<int>(out.size()));
}
template <class T>
[[nodiscard]] bool decode_from(T& message, std::span<const std::byte> in) {
  return in.size() <= INT_MAX && message.ParseFromArray(in.data(), static_cast<int>(in.size()));
}

/// A message that may be answered by an R, whatever the message is.
template <class R>
class answerable : public envelope {
 public:
  /// The answer, once; void signatures acknowledge.
  virtual void reply(result<R>) noexcept {}

 protected:
  using envelope::envelope;
};

/// What a handler for R(M) is given.
template <class M, class R>
class typed_envelope : public answerable<R> {
 public:
  [[nodiscard]] std::string type_name() const final { return type_of_message<M>().name; }
  [[nodiscard]] std::uint32_t type_hash() const noexcept final {
    if constexpr (wire_message<M>) {
      return type_of_message<M>().hash;
    } else {
      return 0;
    }
  }
  [[nodiscard]] std::size_t encoded_size() const final {
    if constexpr (wire_message<M>) {
      return value.ByteSizeLong();
    } else {
      return 0;
    }
  }
  [[nodiscard]] bool encode([[maybe_unused]] std::span<std::byte> out) const final {
    if constexpr (wire_message<M>) {
      return encode_into(value, out);
    } else {
      return false;
    }
  }

  M value;

 protected:
  template <class T>
  typed_envelope(T&& v, bool ask, time_point deadline)
      : answerable<R>(envelope::form::typed, &signature_tag<R(M)>, ask, deadline), value(std::forward<T>(v)) {}
};

/// complete_from_bytes() of an ask.
template <class R>
result<void> decode_reply(answerable<R>& ask, [[maybe_unused]] std::span<const std::byte> bytes) {
  if constexpr (wire_message<R>) {
    R decoded;
    if (decode_from(decoded, bytes)) {
      ask.reply(std::move(decoded));
      return {};
    }
    const error why = make_error(errc::data_loss, "the reply is no " + type_of_message<R>().name);
    ask.fail(why);
    return tandem::fail(why);
  } else {
    return ask.envelope::complete_from_bytes(bytes);
  }
}

template <class M>
class told final : public typed_envelope<M, void> {
 public:
  template <class T>
  explicit told(T&& v) : typed_envelope<M, void>(std::forward<T>(v), false, no_deadline) {}
};

template <class M, class R>
class asked final : public typed_envelope<M, R> {
 public:
  /// Adopts one of the completion's two shares; the asker has the other.
  template <class T>
  asked(T&& v, time_point deadline, tandem::detail::completion<R>* answer)
      : typed_envelope<M, R>(std::forward<T>(v), true, deadline), answer_(answer) {}
  ~asked() override {
    if (answer_) settle(tandem::fail(errc::unavailable));
  }

  void reply(result<R> outcome) noexcept override {
    if (answer_) settle(std::move(outcome));
  }
  bool fail(error why) noexcept override {
    if (answer_) settle(tandem::fail(std::move(why)));
    return true;
  }
  result<void> complete_from_bytes(std::span<const std::byte> bytes) override {
    return decode_reply<R>(*this, bytes);
  }

 private:
  void settle(result<R>&& outcome) noexcept {
    answer_.complete(std::move(outcome));
    answer_ = {};
  }

  tandem::detail::completion_ptr<R> answer_;
};

/// An ask whose answer goes to `answer`, of which the caller keeps one share.
/// Errors: throws what making the message throws; both shares are gone then.
template <class M, class R, class T>
[[nodiscard]] envelope_ptr make_ask(T&& message, time_point deadline, tandem::detail::completion<R>& answer) {
  try {
    return envelope_ptr(new asked<M, R>(std::forward<T>(message), deadline, &answer));
  } catch (...) {
    answer.release();
    answer.release();
    throw;
  }
}

/// Passed on with the answer that another message waits for, which it owns.
template <class M, class R>
class forwarded final : public typed_envelope<M, R> {
 public:
  template <class T>
  forwarded(T&& v, std::unique_ptr<answerable<R>> origin)
      : typed_envelope<M, R>(std::forward<T>(v), true, origin->deadline()), origin_(std::move(origin)) {}

  /// Undoes the forwarding.
  [[nodiscard]] std::unique_ptr<answerable<R>> take_back() noexcept { return std::move(origin_); }

  void reply(result<R> outcome) noexcept override {
    if (const auto origin = take_back()) origin->reply(std::move(outcome));
  }
  bool fail(error why) noexcept override {
    if (const auto origin = take_back()) origin->fail(std::move(why));
    return true;
  }
  result<void> complete_from_bytes(std::span<const std::byte> bytes) override {
    return decode_reply<R>(*this, bytes);
  }

 private:
  std::unique_ptr<answerable<R>> origin_;  // fails its asker when it goes unanswered
};

/// A message that came as bytes or as a CAF message, after conversion. Its sink, if there is one, is answered once.
template <class M, class R>
class converted final : public typed_envelope<M, R> {
 public:
  /// Takes `sink` once nothing can throw any more.
  template <class T>
  converted(T&& v, time_point deadline, std::unique_ptr<reply_sink>& sink)
      : typed_envelope<M, R>(std::forward<T>(v), sink != nullptr, deadline), sink_(std::move(sink)) {}
  ~converted() override {
    if (sink_) sink_->fail(error_of(errc::unavailable));
  }

  void reply(result<R> outcome) noexcept override {
    const auto sink = std::move(sink_);
    if (!sink) return;
    if (!outcome) {
      sink->fail(std::move(outcome).error());
    } else if constexpr (std::is_void_v<R>) {
      const auto nothing = [](std::span<std::byte>) { return true; };
      if (!sink->reply_value(nullptr, typeid(void))) sink->reply(0, fill_ref(nothing));
    } else {
      if (sink->reply_value(&*outcome, typeid(R))) return;
      if constexpr (wire_message<R>) {
        const auto fill = [&](std::span<std::byte> out) { return encode_into(*outcome, out); };
        sink->reply(outcome->ByteSizeLong(), fill_ref(fill));
      } else {
        sink->fail(make_error(errc::unimplemented, "the reply " + type_of_message<R>().name + " cannot cross a wire"));
      }
    }
  }
  bool fail(error why) noexcept override {
    const auto sink = std::move(sink_);
    if (sink) sink->fail(std::move(why));
    return this->is_ask();
  }

 private:
  std::unique_ptr<reply_sink> sink_;
};

}  // namespace tandem::actors::detail
