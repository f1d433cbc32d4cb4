// A message on its way: what mailboxes and links know of it, without its type.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <typeinfo>
#include <utility>

#include <tandem/actors/detail/message_type.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::actors::detail {

/// A borrowed callable that writes a message into a buffer of exactly the announced size; false if it could not.
class fill_ref {
 public:
  template <class F>
  explicit fill_ref(const F& f) noexcept
      : object_(&f), call_([](const void* object, std::span<std::byte> out) {
          return (*static_cast<const F*>(object))(out);
        }) {}
  bool operator()(std::span<std::byte> out) const { return call_(object_, out); }

 private:
  const void* object_;
  bool (*call_)(const void*, std::span<std::byte>);
};

/// Milliseconds, modulo 2^32: for ages of up to three weeks. Differences only mean something.
enum class coarse_time : std::uint32_t {};
[[nodiscard]] inline std::chrono::milliseconds between(coarse_time earlier, coarse_time later) noexcept {
  // Signed: clocks of different threads may be a tick apart.
  const auto ms = static_cast<std::int32_t>(static_cast<std::uint32_t>(later) - static_cast<std::uint32_t>(earlier));
  return std::chrono::milliseconds(ms < 0 ? 0 : ms);
}

/// Where the answer to a message from outside goes: a peer node, or a CAF actor. Answered once; whoever destroys one
/// that was not answered fails it first (converted<> in message.hpp does).
/// Threads: called by one thread at a time, a worker.
class reply_sink {
 public:
  virtual ~reply_sink() = default;
  /// Takes `size` bytes, written by `fill` before reply() returns.
  virtual void reply(std::size_t size, fill_ref fill) noexcept = 0;
  /// For sinks that take values instead of bytes: moves from `value` (null for void). False: use reply().
  virtual bool reply_value(void* value, const std::type_info& type) noexcept;
  virtual void fail(error why) noexcept = 0;
};

/// Told once per incoming message, when its actor has taken it, or it was dropped. Links grant new credit then.
class consumption_listener {
 public:
  virtual ~consumption_listener() = default;
  virtual void consumed(std::size_t bytes) noexcept = 0;
};

/// A message from another node, not yet parsed.
struct incoming {
  std::uint32_t type_hash = 0;
  std::span<const std::byte> bytes;           // lives as long as `owner`
  std::shared_ptr<const void> owner;
  std::unique_ptr<reply_sink> sink;           // null for a tell
  duration remaining = duration::max();       // of the sender's deadline
  std::shared_ptr<consumption_listener> link; // may be null
};

/// Which messages an actor takes first. Each lane is in the order of arrival.
enum class lane : std::uint8_t {
  control,  // signals of the actor's own: never refused, not counted against the capacity
  urgent,
  normal
};
inline constexpr std::size_t lanes = 3;

/// What identifies a signature R(M) within the process, by its address. Not const, so that no linker folds two of them.
struct signature_info {
  const message_type& (*message)();
};
template <class Signature>
struct message_of_signature;
template <class R, class M>
struct message_of_signature<R(M)> {
  using type = M;
};
template <class Signature>
inline signature_info signature_tag{&type_of_message<typename message_of_signature<Signature>::type>};

/// A value inside a foreign message. Not exclusive: others see it too, it may only be copied.
struct foreign_value {
  void* value = nullptr;
  bool exclusive = false;
};

/// Owned by one party at a time: the sender, a mailbox, a waiting sender's node, the actor.
///
/// Destroying an ask that nobody answered answers it with errc::unavailable.
class envelope : public tandem::detail::pooled {
 public:
  enum class form : std::uint8_t {
    typed,    // a typed_envelope<M, R>, to be recognised by tag()
    bytes,    // an incoming_envelope
    foreign,  // a message of CAF, opened with extract()
    own       // an own_message, to be opened before it is handled
  };

  envelope(const envelope&) = delete;
  envelope& operator=(const envelope&) = delete;
  virtual ~envelope() = default;

  [[nodiscard]] form kind() const noexcept { return form_; }
  /// form::typed: its signature; otherwise null.
  [[nodiscard]] const signature_info* tag() const noexcept { return tag_; }

  [[nodiscard]] detail::lane lane() const noexcept { return lane_; }
  /// Before it is delivered.
  void set_lane(detail::lane which) noexcept { lane_ = which; }

  [[nodiscard]] virtual std::string type_name() const = 0;
  /// The hash of the type's name on the wire; 0 for a message that cannot cross one.
  [[nodiscard]] virtual std::uint32_t type_hash() const noexcept { return 0; }
  /// Of wire messages only.
  [[nodiscard]] virtual std::size_t encoded_size() const { return 0; }
  /// Writes exactly encoded_size() bytes. False if the message cannot be encoded.
  [[nodiscard]] virtual bool encode(std::span<std::byte>) const { return false; }

  [[nodiscard]] bool is_ask() const noexcept { return ask_; }
  /// When the asker stops waiting; no_deadline for tells.
  [[nodiscard]] time_point deadline() const noexcept { return deadline_; }
  /// Until deadline(), at least zero; duration::max() if there is none.
  [[nodiscard]] duration remaining() const noexcept {
    if (deadline_ == no_deadline) return duration::max();
    const duration left = deadline_ - now();
    return left > duration::zero() ? left : duration::zero();
  }
  [[nodiscard]] bool expired() const noexcept { return deadline_ != no_deadline && deadline_ <= now(); }

  /// Answers an ask. False for a tell: nobody waits, so it has to become a dead letter.
  virtual bool fail(error) noexcept { return false; }
  /// Answers an ask with a reply in wire form.   Errors: errc::invalid_argument if it does not parse (the ask is then
  /// failed with it) or this is no ask for a wire message.
  virtual result<void> complete_from_bytes(std::span<const std::byte>);

  /// form::foreign: true if the message is one value of this type.   Threads: any.
  [[nodiscard]] virtual bool holds(const std::type_info&) const noexcept { return false; }
  /// form::foreign: the value if the message is one value of this type.
  [[nodiscard]] virtual foreign_value extract(const std::type_info&) noexcept { return {}; }
  /// form::foreign: where the answer goes; null for a tell.
  [[nodiscard]] virtual std::unique_ptr<reply_sink> take_sink() noexcept { return nullptr; }

  envelope* next = nullptr;  // whoever owns the list it is in

 protected:
  envelope(form f, const signature_info* tag, bool ask, time_point deadline) noexcept
      : tag_(tag), deadline_(deadline), form_(f), ask_(ask) {}

 private:
  const signature_info* const tag_;
  const time_point deadline_;
  const form form_;
  const bool ask_;
  detail::lane lane_ = detail::lane::normal;

 public:
  coarse_time arrived{};  // when a mailbox took it; whoever owns it
};

using envelope_ptr = std::unique_ptr<envelope>;

/// Which messages are wanted. Threads: any; called under the mailbox's lock too.
using envelope_filter = bool (*)(const envelope&) noexcept;

/// form::bytes.
class incoming_envelope final : public envelope {
 public:
  explicit incoming_envelope(incoming message) noexcept;
  ~incoming_envelope() override;

  [[nodiscard]] std::string type_name() const override;
  [[nodiscard]] std::uint32_t type_hash() const noexcept override { return message_.type_hash; }
  bool fail(error why) noexcept override;
  [[nodiscard]] std::unique_ptr<reply_sink> take_sink() noexcept override { return std::move(message_.sink); }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return message_.bytes; }

 private:
  incoming message_;
};

}  // namespace tandem::actors::detail
