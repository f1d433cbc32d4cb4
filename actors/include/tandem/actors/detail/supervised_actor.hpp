// Actors as children of a supervisor: restarted in place.
#pragma once
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <tandem/actors/actor_context.hpp>
#include <tandem/actors/detail/body.hpp>
#include <tandem/actors/detail/child.hpp>
#include <tandem/actors/detail/function_body.hpp>
#include <tandem/actors/detail/target.hpp>
#include <tandem/actors/spawn_options.hpp>
#include <tandem/actors/system.hpp>

namespace tandem::actors::detail {

/// Makes the actor's object, once for each life.   Errors: throws what the constructor throws.
using body_maker = std::function<std::unique_ptr<actor_body>(actor_context&)>;

struct supervised_actor_options {
  spawn_actor_options spawn;
  bool keeps_mail = true;
  duration patience;  // with the object of a life that was given up, when the next is to begin
  std::source_location where;
};

/// A child that is an actor, and where its refs point. `kind` is for ever.
/// Errors: throws std::bad_alloc.
[[nodiscard]] std::shared_ptr<child> make_supervised_actor(system& home, supervised_actor_options options,
                                                           const actor_kind& kind, body_maker make);
/// Null if the system has been shut down.
[[nodiscard]] target_ptr target_of_supervised(child& supervised_actor) noexcept;

template <class A>
using snapshot_of = std::decay_t<decltype(std::declval<const A&>().snapshot())>;

template <class A, class... Args>
concept made_from =
    std::constructible_from<A, const Args&...> || std::constructible_from<A, actor_context&, const Args&...>;

/// Leaves a snapshot, and is made from one.
template <class A, class... Args>
concept has_snapshot = requires {
  typename snapshot_of<A>;
}
&&!std::is_final_v<A> && made_from<A, Args..., snapshot_of<A>>;

template <class A>
using kept_snapshot = std::shared_ptr<std::optional<snapshot_of<A>>>;

/// An actor's object that leaves a snapshot of itself. A snapshot that cannot be taken leaves none.
template <class A>
class leaves_snapshot : public A {
 public:
  template <class... Args>
  explicit leaves_snapshot(kept_snapshot<A> into, std::in_place_t, Args&&... args)
      : A(std::forward<Args>(args)...), into_(std::move(into)) {}
  leaves_snapshot(const leaves_snapshot&) = delete;
  leaves_snapshot& operator=(const leaves_snapshot&) = delete;
  ~leaves_snapshot() {
    try {
      into_->emplace(static_cast<const A&>(*this).snapshot());
    } catch (...) {
      into_->reset();
    }
  }

 private:
  kept_snapshot<A> into_;
};

/// The kind of `Body`, under the name of A.
template <class A, class Body>
[[nodiscard]] const actor_kind& kind_named_after() {
  static const actor_kind known = [] {
    actor_kind made = Body::kind();
    made.class_name = []() -> const std::string& {
      static const std::string text = readable_name(typeid(A));
      return text;
    };
    return made;
  }();
  return known;
}

template <class A, class... Args>
[[nodiscard]] body_maker maker_of(Args... args) {
  using body = typed_body<A, typename A::protocol>;
  return [kept = std::tuple<Args...>(std::move(args)...)](actor_context& context) {
    return std::apply(
        [&](const Args&... each) -> std::unique_ptr<actor_body> { return std::make_unique<body>(context, each...); },
        kept);
  };
}

// The snapshot comes last, once there is one.
template <class A, class... Args>
[[nodiscard]] body_maker snapshot_maker_of(Args... args) {
  using object = leaves_snapshot<A>;
  using body = typed_body<object, typename A::protocol>;
  auto snapshot = std::make_shared<std::optional<snapshot_of<A>>>();
  return [snapshot, kept = std::tuple<Args...>(std::move(args)...)](actor_context& context) {
    const auto make = [&](const auto&... all) -> std::unique_ptr<actor_body> {
      if constexpr (std::constructible_from<A, actor_context&, decltype(all)...>) {
        return std::make_unique<body>(context, snapshot, std::in_place, context, all...);
      } else {
        return std::make_unique<body>(context, snapshot, std::in_place, all...);
      }
    };
    return std::apply(
        [&](const Args&... each) {
          if (!snapshot->has_value()) return make(each...);
          // Out of the way: the new object may leave one of its own before it is complete, by failing.
          std::optional<snapshot_of<A>> last = std::exchange(*snapshot, std::nullopt);
          try {
            return make(each..., std::as_const(*last));
          } catch (...) {
            if (!snapshot->has_value()) snapshot->emplace(std::move(*last));  // for the next try
            throw;
          }
        },
        kept);
  };
}

template <class F, class... Args>
[[nodiscard]] body_maker function_maker_of(F function, Args... args) {
  using body = function_body<F, inbox_of<F>, Args...>;
  return [function = std::move(function), kept = std::tuple<Args...>(std::move(args)...)](actor_context& context) {
    return std::apply(
        [&](const Args&... each) -> std::unique_ptr<actor_body> {
          return std::make_unique<body>(context, function, each...);
        },
        kept);
  };
}

}  // namespace tandem::actors::detail
