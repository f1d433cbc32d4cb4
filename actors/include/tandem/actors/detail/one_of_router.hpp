// The routers that give each message to one routee, which they choose without looking into the message, or by a key.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include <tandem/actors/detail/hashing.hpp>
#include <tandem/actors/detail/message.hpp>
#include <tandem/actors/detail/router_target.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/actors/routing.hpp>

namespace tandem::actors::detail {

class one_of_router : public choosing_router {
 public:
  enum class choice : std::uint8_t { in_turn, at_random, least_loaded, of_two, by_key };

  one_of_router(const protocol_info& takes, choice how, std::uint64_t seed = 0);
  [[nodiscard]] delivery try_deliver(envelope_ptr& message, error& why) noexcept final;

 protected:
  /// choice::by_key only.   Errors: throws what the user's function throws.
  [[nodiscard]] virtual std::uint64_t key_of(const envelope&) const { return 0; }

 private:
  [[nodiscard]] std::size_t waits_at(const routee_list& list, const envelope& message) noexcept override;
  [[nodiscard]] std::size_t choose(const routee_list& list, std::uint64_t key) noexcept;
  [[nodiscard]] delivery deliver_by_key(envelope_ptr& message, error& why) noexcept;

  const choice how_;
  const std::uint64_t seed_;
  // Relaxed, and not incremented in one step, which would be a third of a router's cost: two senders at the same moment
  // may have the same turn, or one who was held up sets it back, and over time all routees have as many all the same.
  std::atomic<std::uint64_t> turns_{0};
};

[[nodiscard]] error no_key(std::exception_ptr thrown, const std::string& message);

template <class KeyOf, class... Signatures>
class keyed_router final : public one_of_router {
 public:
  explicit keyed_router(KeyOf key_of)
      : one_of_router(actors::protocol<Signatures...>::info(), choice::by_key), key_of_(std::move(key_of)) {}

 private:
  [[nodiscard]] std::uint64_t key_of(const envelope& message) const override {
    std::uint64_t key = 0;
    // One that is none of them goes to the routee of key 0, which refuses it.
    (void)(key_of_signature(std::type_identity<Signatures>{}, message, key) || ...);
    return key;
  }
  template <class R, class M>
  bool key_of_signature(std::type_identity<R(M)>, const envelope& message, std::uint64_t& key) const {
    if (message.kind() != envelope::form::typed || message.tag() != &signature_tag<R(M)>) return false;
    key = hash_of_key(key_of_(static_cast<const typed_envelope<M, R>&>(message).value));
    return true;
  }

  const KeyOf key_of_;
};

}  // namespace tandem::actors::detail
