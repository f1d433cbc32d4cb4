// What a node's parts share: the transport, the actor system, the peers; and the transport's listener.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tandem/actors/dead_letter.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/cluster/node.hpp>

#include "remote_peer.hpp"
#include "transport.hpp"

namespace tandem::cluster::internal {

/// Runs callbacks of users in a task, one after the other, so that none runs on a thread of gRPC.
class callback_queue : public std::enable_shared_from_this<callback_queue> {
 public:
  explicit callback_queue(tandem::detail::scheduler& s) noexcept : scheduler_(s) {}
  void post(std::function<void()> call);
  /// Waits until what was posted has run, but no longer than to `deadline`, nor for a runtime that is shutting down.
  /// When it returns nothing runs, and nothing will.   Blocks; must not be called from a call.
  void close(std::chrono::steady_clock::time_point deadline);

 private:
  task<> drain();

  tandem::detail::scheduler& scheduler_;
  std::mutex lock_;
  std::condition_variable at_rest_;
  // Guarded by lock_.
  std::deque<std::function<void()>> calls_;
  bool draining_ = false;  // a task for them was spawned
  bool running_ = false;   // … and is inside of one
  bool closed_ = false;
};

/// Lives as long as the node or any remote ref, reply or message that came from a peer.
///
/// (H1) The transport is stopped by node::stop(), before the last share of the core can go.
class node_core final : public transport_listener, public std::enable_shared_from_this<node_core> {
 public:
  node_core(actors::system& system, std::string own_name, node_event_handler on_event);
  ~node_core() override;

  [[nodiscard]] result<void> start(node_options options);
  void stop(std::chrono::steady_clock::time_point deadline);

  [[nodiscard]] transport& wire() noexcept { return *transport_; }
  [[nodiscard]] remote_peer* find_peer(std::string_view name) noexcept;
  [[nodiscard]] std::vector<std::unique_ptr<remote_peer>>& links() noexcept { return links_; }
  [[nodiscard]] const std::string& own_name() const noexcept { return own_name_; }
  [[nodiscard]] actors::system& system() noexcept { return system_; }
  [[nodiscard]] tandem::detail::scheduler& scheduler() noexcept;
  [[nodiscard]] wire_counters counters() const noexcept;

  void count_sent(std::size_t payload_bytes) noexcept;
  /// `then`: runs after the report, e.g. to give back credit.
  void report(actors::dead_letter letter, std::function<void()> then = {}) noexcept;
  void forget_expired_asks();

  /// The actor registered here under `name`, if it takes all of `wanted`.
  [[nodiscard]] result<actors::detail::target_ptr> find_here(std::string_view name,
                                                             const actors::protocol_info& wanted);

  // transport_listener
  void on_start(transport& t) override;
  void on_peer_up(peer_id peer, std::uint64_t incarnation, std::uint64_t epoch) override;
  [[nodiscard]] result<void> on_records(peer_id peer, std::uint64_t epoch, const std::shared_ptr<const void>& bytes,
                                        std::span<const record_view> records) override;
  void on_credit(peer_id peer) override;
  void on_disconnected(peer_id peer, std::uint64_t epoch, const error& why, dropped_records dropped) override;
  void on_peer_down(peer_id peer, const error& why) override;
  void on_problem(std::string_view node, const error& what) override;

 private:
  struct consumption;
  struct remote_reply;

  void take_message(remote_peer& link, std::uint64_t epoch, const std::shared_ptr<const void>& bytes,
                    const record_view& record, const std::shared_ptr<consumption>& account);
  void take_request(actors::detail::incoming request);
  void tell(node_event event);
  remote_peer& link_of(peer_id peer) noexcept { return *links_[static_cast<std::size_t>(peer)]; }

  actors::system& system_;
  const std::string own_name_;
  const node_event_handler on_event_;
  const std::shared_ptr<callback_queue> callbacks_;
  std::unique_ptr<transport> owned_;
  transport* transport_ = nullptr;                // set by on_start(), constant after
  std::vector<std::unique_ptr<remote_peer>> links_; // by peer_id; filled by on_start(), constant after
  // The account of each peer's current connection; touched by the transport's serialised reports only.
  std::vector<std::shared_ptr<consumption>> accounts_;
  std::uint64_t window_ = 0;                      // of what each peer sends; constant after start()

  std::atomic<std::uint64_t> messages_sent_{0}, messages_received_{0}, bytes_sent_{0}, bytes_received_{0};
};

}  // namespace tandem::cluster::internal
