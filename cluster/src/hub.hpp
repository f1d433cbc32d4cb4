// What the links and peers of one transport share: options, server, timers, and the register of open streams.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <grpcpp/grpcpp.h>
#include <tandem/cluster/v1/link.grpc.pb.h>

#include <tandem/cluster/options.hpp>
#include <tandem/errors/result.hpp>

#include "credentials.hpp"
#include "peer.hpp"
#include "problems.hpp"
#include "serial_queue.hpp"
#include "timer_queue.hpp"
#include "transport.hpp"

namespace tandem::cluster::internal {

class hub {
 public:
  hub(node_options options, transport_listener& listener);
  ~hub();
  hub(const hub&) = delete;
  hub& operator=(const hub&) = delete;

  /// Reads the credentials and starts the server.   Errors: those of transport::start().
  [[nodiscard]] result<void> listen();
  void start_dialing();
  /// transport::stop(); without `goodbye`, open streams are cancelled at once.
  void stop(std::chrono::steady_clock::time_point deadline, bool goodbye);

  [[nodiscard]] const node_options& options() const noexcept { return options_; }
  [[nodiscard]] transport_listener& listener() noexcept { return listener_; }
  [[nodiscard]] timer_queue& timers() noexcept { return timers_; }
  [[nodiscard]] std::vector<std::unique_ptr<peer>>& peers() noexcept { return peers_; }
  [[nodiscard]] peer* find(std::string_view node) const noexcept;
  [[nodiscard]] const v1::Hello& hello() const noexcept { return hello_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

  /// relaxed: only distinctness counts, and a peer's epochs are drawn on its strand.
  std::uint64_t next_epoch() noexcept { return 1 + epochs_.fetch_add(1, std::memory_order_relaxed); }

  /// Can we talk to whoever says this?   Errors: errc::failed_precondition, in words that suit both sides.
  [[nodiscard]] result<void> check_hello(const v1::Hello& hello) const;

  /// Decides whether a caller becomes a peer, and reports it if not.
  /// Errors: as check_hello(), and errc::unauthenticated, errc::permission_denied, errc::already_exists.
  [[nodiscard]] result<peer*> admit(const v1::Hello& hello, const grpc::AuthContext& identity);

  /// Gives the stream up if it is not ready in time.
  void expect_hello(std::weak_ptr<link> which);

  [[nodiscard]] std::shared_ptr<grpc::Channel> make_channel(const member& to) const;

  void link_made(const std::shared_ptr<link>& which);
  void link_gone(link& which);

 private:
  class service final : public v1::Link::CallbackService {
   public:
    explicit service(hub& owner) : hub_(owner) {}
    grpc::ServerBidiReactor<v1::Frame, v1::Frame>* Open(grpc::CallbackServerContext* context) override;

   private:
    hub& hub_;
  };

  result<peer*> identify(const v1::Hello& hello, const grpc::AuthContext& identity) const;
  grpc::Status admission();
  void abort_all();

  const node_options options_;
  transport_listener& listener_;
  v1::Hello hello_;  // ours
  credentials credentials_;
  std::uint16_t port_ = 0;
  std::vector<std::unique_ptr<peer>> peers_;  // sorted by name; an id is an index

  service service_{*this};
  std::unique_ptr<grpc::Server> server_;  // (B1) outlives every link and channel: with the last user of gRPC's callback
                                          // threads they are joined, which none of them may do itself
  timer_queue timers_;
  std::atomic<std::uint64_t> epochs_ = 0;

  serial_queue strangers_;            // reports on callers that are no members
  std::set<std::string> told_;        // on strangers_: what was reported

  std::mutex mutex_;                  // guards everything below
  std::condition_variable changed_;   // links_ empty, or stopped
  std::unordered_map<link*, std::weak_ptr<link>> links_;
  enum class state : std::uint8_t { running, stopping, stopped } state_ = state::running;
};

}  // namespace tandem::cluster::internal
