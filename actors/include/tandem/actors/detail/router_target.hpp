// What every router is: a target with a list of others, which are added and removed while messages pass through.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tandem/actors/detail/target.hpp>
#include <tandem/actors/topic_options.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/sync/snapshot.hpp>

namespace tandem::actors::detail {

/// Of one who gets copies: a topic's subscriber, or a broadcast's routee.
struct subscriber_state {
  // Relaxed: a counter, and a flag that only shortens what the list ends.
  std::atomic<std::uint64_t> missed{0};
  std::atomic<bool> over{false};
  // Guarded by the fanout's lock.
  std::size_t parked = 0;
  bool parted = false;
};

struct routee {
  explicit routee(target_ptr t, subscriber_full full = subscriber_full::wait,
                  std::shared_ptr<subscriber_state> of = nullptr) noexcept
      : to(std::move(t)), when_full(full), subscriber(std::move(of)) {}

  target_ptr to;
  std::uint64_t place = 0;  // the lowest that was free when it was added
  subscriber_full when_full;  // of copies
  // Of those who get copies; tells one subscription of an actor from its next.
  std::shared_ptr<subscriber_state> subscriber;
};
using routee_list = std::vector<routee>;

/// Threads: every member may be called from any thread.
class router_target : public target {
 public:
  [[nodiscard]] std::uint64_t id() const noexcept override { return id_; }
  [[nodiscard]] std::string target_name() const override { return name_; }
  [[nodiscard]] const protocol_info& protocol() const noexcept override { return protocol_; }
  /// Of all routees together.
  [[nodiscard]] std::size_t depth() const noexcept override;
  /// A router accepts nothing for itself: whatever a routee has accepted, that reports.
  void report_dead_letter(const envelope& message, const error& why) noexcept override;

  [[nodiscard]] sync::snapshot<routee_list>::reader routees() const { return routees_.read(); }
  /// False if it is one already. `place` is chosen here.
  /// Errors: throws std::logic_error if the router would be reached through it, and std::bad_alloc.
  bool add(routee added);
  /// True if it was one.   Errors: throws std::bad_alloc.
  bool remove(const target& gone);
  /// Removes that subscriber. If there is no memory for a new list, it stays in it, to no effect.
  void forget(subscriber_state& gone) noexcept;
  [[nodiscard]] bool has(const subscriber_state& one) const;

 protected:
  router_target(const protocol_info& takes, std::string name);

  /// Before a routee is added, and after it was removed.
  virtual void prepare(routee&) const {}
  virtual void parted_with(subscriber_state&) noexcept {}

  /// It has ended. If there is no memory for a new list, it is found again later.
  void take_out(const target& gone) noexcept;

 private:
  [[nodiscard]] bool reaches(const target& to) const;

  const std::uint64_t id_;
  const std::string name_;
  const protocol_info& protocol_;
  sync::snapshot<routee_list> routees_;
};

/// What a sender is told if there is nobody to send to; with the last one's reason, if it has just ended.
[[nodiscard]] error no_routees(const error& last = {});

/// A router that gives each message to one of its routees, in the sender's thread. A sender that has to wait waits
/// there, too.
///
/// (H1) room_waiter::at is written under lock_. It is null until the waiter has a place, and again between one that
///      has ended and the next: then a cancel is left in the waiter's state, under lock_ as well. While it is a routee,
///      that one's lock guards the state (V1); a cancel puts the router itself into it, so that a cancel that comes
///      when the routee has just refused the waiter is not lost.
class choosing_router : public router_target {
 public:
  [[nodiscard]] room_waiter::phase wait_for_room(room_waiter& w) noexcept final;
  [[nodiscard]] bool cancel_wait(room_waiter& w) noexcept final;

 protected:
  using router_target::router_target;

  /// Where a message waits for which nobody has room: an index of the list, which is not empty.
  [[nodiscard]] virtual std::size_t waits_at(const routee_list& list, const envelope&) noexcept;

 private:
  struct waiting_place {
    target_ptr to;  // null: there are no routees
    target_ptr of;  // the router it is a routee of: this, or one that is a routee
  };
  [[nodiscard]] waiting_place place_for(const envelope& message) noexcept;

  tandem::detail::spin_lock lock_;
  std::atomic<std::uint64_t> waits_{0};  // relaxed: any order of turns will do
};

}  // namespace tandem::actors::detail
