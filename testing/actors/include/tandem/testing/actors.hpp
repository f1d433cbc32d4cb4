// actor_stage: actors whose messages are delivered when the test says so, in the order it says. probe.hpp has actors
// that the test plays itself.
//
//   TEST(Till, AddsUpWhateverComesFirst) {
//     sim_runtime sim;
//     actor_stage stage(sim);
//     auto till = stage.spawn<counter>();
//     auto customer = stage.spawn<shopper>(till);
//     ASSERT_TRUE(customer.try_tell(buy{"bread"}).has_value());
//     stage.expect<buy>(customer, [](const buy& b) { return b.what == "bread"; });   // and now it is handled
//     stage.expect<add>(till);
//     stage.expect_none();
//   }
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <tandem/actors/actor_ref.hpp>
#include <tandem/actors/detail/open_message.hpp>
#include <tandem/actors/down.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/runtime/time.hpp>
#include <tandem/testing/sim_runtime.hpp>

namespace tandem::testing {

/// A message in the mailbox of an actor that was not let have it.
struct pending_message {
  std::uint64_t number = 0;   ///< Of all that were sent on the stage, from 1.
  std::string from;           ///< The actor or task that sent it; empty: the test itself, or an actor of CAF.
  std::string to;             ///< The receiver's name; empty if it has none.
  std::uint64_t to_id = 0;    ///< As actor_ref::id().
  std::string type;           ///< The name on the wire, or the C++ type's.
};

namespace stage_detail {

/// What expect() asks for if it is not told.
struct anything {
  template <class M>
  bool operator()(const M&) const noexcept {
    return true;
  }
};

template <class M, class Reply, class P>
[[nodiscard]] bool meets(actors::detail::envelope& message, const P& predicate) {
  using actors::detail::envelope;
  if (!actors::detail::is_message(std::type_identity<Reply(M)>{}, message)) return false;
  switch (message.kind()) {
    case envelope::form::typed:
      return predicate(std::as_const(static_cast<actors::detail::typed_envelope<M, Reply>&>(message).value));
    case envelope::form::bytes:
      if constexpr (actors::wire_message<M>) {
        M parsed;
        return decode_from(parsed, static_cast<actors::detail::incoming_envelope&>(message).bytes()) &&
               predicate(std::as_const(parsed));
      }
      return false;
    default: {
      const auto found = message.extract(typeid(M));
      return found.value && predicate(*static_cast<const M*>(found.value));
    }
  }
}

}  // namespace stage_detail

/// An actor system on a simulated runtime, whose messages wait until the test lets their receivers have them, one by
/// one. The test plays the scheduler: what may happen in any order, it makes happen in the one it wants.
///
/// | held until delivered                                | not held                                             |
/// |-----------------------------------------------------|------------------------------------------------------|
/// | tells and asks, of actors, tasks and the test       | answers of asks, and what waits on channels or timers|
/// | messages of CAF's actors to tandem's                | messages to CAF's actors, which run as ever          |
/// | `down`                                              | quit(), exit messages of CAF, shutdown               |
///
/// A held message is in its receiver's mailbox: it counts there, keeps its place and its age, may expire, overflow, and
/// become a dead letter. Its receiver, even out of reach, waits for it. Whatever delivers something runs everything
/// until idle before and after that. An actor whose handler waits for something handles what it was let have
/// afterwards.
///
/// Owns:    the system. The simulation outlives it.
/// Threads: the simulation's.
class actor_stage {
 public:
  explicit actor_stage(sim_runtime& sim, actors::system_options options = {});
  /// What was not delivered becomes dead letters, as in any system that ends.
  ~actor_stage();
  actor_stage(const actor_stage&) = delete;
  actor_stage& operator=(const actor_stage&) = delete;

  [[nodiscard]] actors::system& system() noexcept { return system_; }
  [[nodiscard]] sim_runtime& sim() noexcept { return sim_; }
  /// As system::spawn().
  template <class A, class... Args>
  typename A::protocol::ref spawn(Args&&... args) {
    return system_.spawn<A>(std::forward<Args>(args)...);
  }

  /// What could be delivered, in the order it was sent in. Not what waits for room in a mailbox.
  [[nodiscard]] std::vector<pending_message> pending();

  /// Delivers to the receiver of the oldest message what that would handle first: its `down`s, urgent messages, and
  /// then the others. False: there is nothing.
  bool deliver_next();
  /// The same for one receiver.
  template <class... Signatures>
  bool deliver(const actors::actor_ref<Signatures...>& to) {
    return deliver_first(to.target().get());
  }
  /// Exactly this one, be it even before older ones of the same sender, which no real system does. False if it is not
  /// pending any more.
  bool deliver(const pending_message& which);
  /// deliver_next() until nothing is pending, also of what is sent meanwhile. Gives how many there were.
  /// Errors: fails the test after `limit` messages.
  std::size_t deliver_all(std::size_t limit = 100'000, std::source_location where = std::source_location::current());
  /// The same in an order that the simulation's seed decides: any that a real system could have, so messages of one
  /// sender to one receiver keep theirs.
  std::size_t deliver_all_shuffled(std::size_t limit = 100'000,
                                   std::source_location where = std::source_location::current());
  /// Loses it: a dead letter; an asker gets errc::unavailable. False if it is not pending any more.
  bool drop(const pending_message& which);

  /// Delivers what `to` would handle first, if that is an M that meets `predicate`; otherwise the test fails.
  template <class M, class... Signatures, class P = stage_detail::anything>
  bool expect(const actors::actor_ref<Signatures...>& to, const P& predicate = {},
              std::source_location where = std::source_location::current()) {
    if (allow<M>(to, predicate)) return true;
    unexpected(to.target().get(), actors::detail::type_of_message<M>().name, where);
    return false;
  }
  /// The same if there is such a message; otherwise nothing happens, and it gives false.
  template <class M, class... Signatures, class P = stage_detail::anything>
  bool allow(const actors::actor_ref<Signatures...>& to, const P& predicate = {}) {
    using signature = actors::detail::signatures_of<M, Signatures...>;
    static_assert(!std::is_void_v<signature>, "the protocol has no such message");
    static_assert(std::is_invocable_r_v<bool, const P&, const M&>, "the predicate takes the message and gives a bool");
    actors::detail::envelope* const first = first_for(to.target().get());
    using reply = typename actors::detail::signature<signature>::reply;
    return first && stage_detail::meets<M, reply>(*first, predicate) && deliver_first(to.target().get());
  }
  /// Fails the test if anything is pending, or anything for `to`.
  bool expect_none(std::source_location where = std::source_location::current());
  template <class... Signatures>
  bool expect_none(const actors::actor_ref<Signatures...>& to,
                   std::source_location where = std::source_location::current()) {
    return none_for(to.target().get(), where);
  }

  /// sim_runtime::advance(): what timers make actors send is held too.
  void advance(duration d) { sim_.advance(d); }

  /// How the actor ended; nothing if it lives.
  template <class... Signatures>
  [[nodiscard]] std::optional<actors::down> ended(const actors::actor_ref<Signatures...>& who) {
    return end_of(who.target().get());
  }
  /// Delivers, and moves the clock when nothing is left to deliver, until the actor has ended.
  /// Errors: fails the test if it never does.
  template <class... Signatures>
  std::optional<actors::down> await_end(const actors::actor_ref<Signatures...>& who,
                                        std::source_location where = std::source_location::current()) {
    return wait_for_end(who.target().get(), where);
  }

 private:
  class gate;

  [[nodiscard]] actors::system_options with_gate(actors::system_options options) noexcept;
  [[nodiscard]] actors::detail::envelope* first_for(const actors::detail::target* to);
  bool deliver_first(const actors::detail::target* to);
  std::size_t deliver_many(std::size_t limit, bool shuffled, std::source_location where);
  [[nodiscard]] std::string describe(const actors::detail::target* to);
  void unexpected(const actors::detail::target* to, const std::string& wanted, std::source_location where);
  bool none_for(const actors::detail::target* to, std::source_location where);
  [[nodiscard]] std::optional<actors::down> end_of(actors::detail::target* who);
  std::optional<actors::down> wait_for_end(actors::detail::target* who, std::source_location where);

  sim_runtime& sim_;
  const std::unique_ptr<gate> gate_;
  actors::system system_;
};

}  // namespace tandem::testing
