// One other node: the state of the connection to it, and dialing it if that is our part.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include <tandem/errors/result.hpp>

#include "link.hpp"
#include "outbox.hpp"
#include "serial_queue.hpp"
#include "transport.hpp"

namespace tandem::cluster::internal {

/// (P1) All state but the outbox and the constants is touched only by functions on `strand_`; so are the listener's
///      callbacks about this peer.
///
/// Threads: any; every function returns without waiting for what it causes.
class peer {
 public:
  peer(hub& owner, peer_id id, member who, bool dials);

  [[nodiscard]] peer_id id() const noexcept { return id_; }
  [[nodiscard]] const std::string& name() const noexcept { return who_.name; }
  [[nodiscard]] outbox& out() noexcept { return outbox_; }
  /// True if we dial it, false if it dials us.
  [[nodiscard]] bool dials() const noexcept { return dials_; }
  /// The incarnation of the peer at the other end of an open connection, 0 if there is none. May be stale.
  // relaxed: only tells a likely duplicate from a reconnect; the strand sorts out what is left.
  [[nodiscard]] std::uint64_t connected_incarnation() const noexcept {
    return connected_incarnation_.load(std::memory_order_relaxed);
  }

  /// Starts dialing, if that is our part.
  void start();
  /// Reports that the peer was refused, or could not be reached.
  void report_problem(error what);
  /// Ends what is connected or being dialed, with a Goodbye if so asked; no callback but on_disconnected follows.
  void leave(bool goodbye);
  /// After leave(): blocks until no callback runs or is to come. All links must be gone.
  void wait_until_at_rest() { strand_.wait_until_at_rest(); }
  /// After wait_until_at_rest().
  void drop_channel() { channel_ = nullptr; }

  // From links.
  void link_ready(std::shared_ptr<link> which);
  void frame_received(std::shared_ptr<link> which, std::shared_ptr<v1::Frame> frame);
  void link_done(std::shared_ptr<link> which, error reason, grpc::Status status);

 private:
  // On the strand:
  void dial();
  void dial_later();
  void connected(std::shared_ptr<link> which);
  void disconnected(const error& why);
  void dial_failed(error reason, const grpc::Status& status);
  result<void> take(const std::shared_ptr<v1::Frame>& frame);
  void report_down(error why);
  void watch_absence();
  void tell(error what);

  hub& hub_;
  const peer_id id_;
  const member who_;
  const bool dials_;

  outbox outbox_;         // synchronizes itself
  serial_queue strand_;   // synchronizes itself
  std::atomic<std::uint64_t> connected_incarnation_ = 0;  // written on the strand

  // (P1)
  std::shared_ptr<grpc::Channel> channel_;  // of the last attempt
  std::shared_ptr<link> attempt_;           // dialed, not ready
  std::shared_ptr<link> link_;              // ready and reported up
  std::shared_ptr<link> next_;              // ready, waits for the end of link_, which it replaces
  std::uint64_t epoch_ = 0;                 // of link_, or of the last one
  std::uint64_t incarnation_ = 0;           // of the peer that is or was up; 0 = never
  bool up_ = false;                         // between on_peer_up and on_peer_down
  bool left_ = false;                       // said Goodbye, and was not seen since: its silence is no problem
  bool leaving_ = false;                    // we do
  std::chrono::steady_clock::time_point connected_at_;
  unsigned failures_ = 0;                   // attempts since a connection that lasted
  std::minstd_rand jitter_{std::random_device{}()};
  std::set<std::string> told_;              // problems since the last connection
  std::vector<record_view> views_;          // reused by take()
};

}  // namespace tandem::cluster::internal
