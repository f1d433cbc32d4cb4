// The router that asks all its routees and takes the first answer.
#pragma once
#include <concepts>
#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include <tandem/actors/detail/race.hpp>
#include <tandem/actors/detail/router_target.hpp>
#include <tandem/actors/protocol.hpp>
#include <tandem/errors/exception.hpp>

namespace tandem::actors::detail {

/// What one that was full is said to have answered.
[[nodiscard]] error had_no_room(const target& which);

/// What can be asked of many.
template <class S>
concept asked_of_many = !signature<S>::is_tell && std::is_copy_constructible_v<typename signature<S>::message>;

template <class... Signatures>
class scatter_router final : public choosing_router {
 public:
  scatter_router() : choosing_router(actors::protocol<Signatures...>::info(), "router (first success)") {}

  [[nodiscard]] delivery try_deliver(envelope_ptr& message, error& why) noexcept override {
    delivery outcome = delivery::failed;
    if ((scatter(std::type_identity<Signatures>{}, message, why, outcome) || ...)) return outcome;
    why = make_error(errc::invalid_argument, message->type_name() + " is not in the protocol of " + target_name());
    return delivery::failed;
  }

 private:
  template <class R, class M>
  bool scatter(std::type_identity<R(M)>, envelope_ptr& message, error& why, delivery& outcome) noexcept {
    if (message->kind() != envelope::form::typed || message->tag() != &signature_tag<R(M)>) return false;
    using question = typed_envelope<M, R>;
    const auto now = routees();
    const time_point deadline = message->deadline();
    std::vector<envelope_ptr> copies;
    auto asking = std::make_shared<race<M, R>>(std::unique_ptr<question>(static_cast<question*>(message.release())));
    try {
      copies.reserve(now->size());
      for (std::size_t i = 0; i < now->size(); ++i)
        copies.emplace_back(new raced<M, R>(asking->origin().value, asking, deadline));
    } catch (...) {
      why = with_message(from_exception(std::current_exception()), "a copy could not be made of a message");
      copies.clear();
      message = asking->take_back();
      return true;
    }
    bool full = false;
    outcome = delivery::failed;
    error last, refusal;
    for (std::size_t i = 0; i < copies.size(); ++i) {
      target& to = *(*now)[i].to;
      switch (to.try_deliver(copies[i], last)) {
        case delivery::delivered: outcome = delivery::delivered; break;
        case delivery::full:
          full = true;
          copies[i]->fail(had_no_room(to));
          break;
        case delivery::failed:
          copies[i]->fail(last);
          if (last.code() == errc::unavailable) {
            take_out(to);
          } else {
            refusal = last;
          }
          break;
      }
    }
    copies.clear();
    if (outcome == delivery::delivered) {
      asking->leave({});
      return true;
    }
    message = asking->take_back();
    if (full) {
      outcome = delivery::full;
    } else {
      why = refusal ? refusal : no_routees(last);
    }
    return true;
  }
};

}  // namespace tandem::actors::detail
