// The actor layer's view of one peer: who waits for credit, which asks are unanswered, whether it can be reached.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tandem/actors/detail/target.hpp>
#include <tandem/runtime/detail/completion.hpp>

#include "record_kind.hpp"
#include "transport.hpp"

namespace tandem::cluster::internal {

class node_core;
class remote_target;

/// Threads: every member may be called from any thread; the transport serialises its reports about one peer.
///
/// (P1) All fields are guarded by lock_. Under it transport::post() is called, which never calls back; nothing else.
/// (P2) Envelopes are destroyed, and completions completed, after unlocking: both run code of the actor layer.
class remote_peer {
 public:
  using envelope_ptr = actors::detail::envelope_ptr;
  using delivery = actors::detail::target::delivery;
  using room_waiter = actors::detail::room_waiter;

  remote_peer(node_core& core, peer_id id, std::string name);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] peer_id id() const noexcept { return id_; }
  struct state {
    bool connected;
    std::uint64_t incarnation;
    std::uint64_t epoch;
  };
  [[nodiscard]] state look() const;

  // For remote_target; see actors::detail::target.
  delivery try_deliver(remote_target& to, envelope_ptr& message, error& why) noexcept;
  room_waiter::phase wait_for_room(remote_target& to, room_waiter& w) noexcept;
  bool cancel_wait(remote_target& to, room_waiter& w) noexcept;

  /// Posts an answer or a refusal, unless the connection the ask came on has ended.
  void respond(std::uint64_t epoch, const record_header& header, std::size_t size, fill_ref fill) noexcept;

  // For the transport's reports.
  void up(std::uint64_t incarnation, std::uint64_t epoch);
  void disconnected(const error& why, dropped_records dropped);
  void credit();
  void answer(std::uint64_t correlation, std::span<const std::byte> bytes);
  void refuse(std::uint64_t correlation, const error& why);
  void problem(const error& what);

  /// Fails asks whose askers have long left: an actor that never answers must not fill the table.
  void forget_expired(time_point now);

  /// A completion that is completed when the peer connects, or null if it is connected.
  [[nodiscard]] tandem::detail::completion_ptr<void> when_up();
  /// Whoever got it from when_up() waits no longer.
  void forget(const tandem::detail::completion_base& waiter);
  [[nodiscard]] error last_problem() const;
  /// No more connections will come: fails who waits for one.
  void close();

 private:
  using lock_type = std::unique_lock<std::mutex>;
  [[nodiscard]] delivery send(const remote_target& to, envelope_ptr& message, error& why);
  [[nodiscard]] error not_connected() const;

  // What has to happen to waiters after unlocking (P2, and room_waiter's V2).
  struct aftermath {
    actors::detail::wake_list wake;
    std::vector<envelope_ptr> sent;
    struct failure {
      actors::detail::basic_target_ptr<remote_target> to;
      envelope_ptr message;
      error why;
    };
    std::vector<failure> failed;  // nobody sleeps for their room: asks, and what broadcasts and pools have parked
    void run() noexcept;
  };
  // A waiter that left its queue as failed. `self`: the one whose owner is running and looks itself.
  static void give_up(remote_target& to, room_waiter& w, error why, const room_waiter* self, aftermath& later);
  void admit_waiting(aftermath& later, const room_waiter* self = nullptr);

  node_core& core_;
  const peer_id id_;
  const std::string name_;

  mutable std::mutex lock_;
  bool connected_ = false;
  bool closed_ = false;
  std::uint64_t incarnation_ = 0;
  std::uint64_t epoch_ = 0;
  error problem_;
  std::uint64_t last_correlation_ = 0;
  std::unordered_map<std::uint64_t, envelope_ptr> asks_;                    // by correlation id
  std::deque<actors::detail::basic_target_ptr<remote_target>> hungry_;      // targets somebody waits to send to
  std::vector<tandem::detail::completion_ptr<void>> awaiting_connection_;
};

/// An actor on another node. Valid for one life of that node.
class remote_target final : public actors::detail::target {
 public:
  remote_target(std::shared_ptr<node_core> core, remote_peer& link, std::uint64_t incarnation, std::uint64_t actor_id,
                std::string actor_name, const actors::protocol_info& protocol);

  [[nodiscard]] std::uint64_t id() const noexcept override { return actor_id_; }
  [[nodiscard]] std::string target_name() const override { return actor_name_ + "@" + link_.name(); }
  [[nodiscard]] const actors::protocol_info& protocol() const noexcept override { return protocol_; }
  [[nodiscard]] bool is_remote() const noexcept override { return true; }
  delivery try_deliver(actors::detail::envelope_ptr& message, error& why) noexcept override {
    return link_.try_deliver(*this, message, why);
  }
  actors::detail::room_waiter::phase wait_for_room(actors::detail::room_waiter& w) noexcept override {
    return link_.wait_for_room(*this, w);
  }
  bool cancel_wait(actors::detail::room_waiter& w) noexcept override { return link_.cancel_wait(*this, w); }
  void report_dead_letter(const actors::detail::envelope& message, const error& why) noexcept override;

  [[nodiscard]] std::uint64_t incarnation() const noexcept { return incarnation_; }

 private:
  friend class remote_peer;
  const std::shared_ptr<node_core> core_;  // keeps link_ in memory
  remote_peer& link_;
  const std::uint64_t incarnation_;
  const std::uint64_t actor_id_;
  const std::string actor_name_;
  const actors::protocol_info& protocol_;
  actors::detail::room_queue waiting_;  // guarded by the link's lock
};

}  // namespace tandem::cluster::internal
