// A transport_listener that remembers what it is told, lets a test wait for it, and checks the order of callbacks.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "transport.hpp"

namespace tandem::cluster::internal {

class recorder final : public transport_listener {
 public:
  struct history {
    std::vector<std::uint64_t> incarnations;  // one per on_peer_up
    std::vector<std::uint64_t> epochs;        // likewise
    std::vector<std::string> disconnects;
    std::vector<std::string> downs;
    std::uint64_t records = 0;
    std::uint64_t credits = 0;
    std::size_t dropped = 0;
    bool connected = false;
  };

  /// Called for each record, with the peer's epoch; set it before the transport is started.
  std::function<void(peer_id, std::uint64_t epoch, const record_view&)> on_record;
  /// Called with the dropped records.
  std::function<void(const dropped_records&)> on_dropped;

  /// Waits until `holds` of what has happened with `peer` so far; false after 20 s.
  bool wait(std::string_view peer, const std::function<bool(const history&)>& holds);
  bool wait_connected(std::string_view peer, std::size_t times = 1);
  bool wait_down(std::string_view peer, std::size_t times = 1);
  /// Waits for a problem with `peer` whose text contains `part`; returns the text.
  std::optional<std::string> wait_problem(std::string_view peer, std::string_view part);

  [[nodiscard]] history of(std::string_view peer);
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> problems();

  void on_start(transport& which) override { transport_ = &which; }
  void on_peer_up(peer_id peer, std::uint64_t incarnation, std::uint64_t epoch) override;
  result<void> on_records(peer_id peer, std::uint64_t epoch, const std::shared_ptr<const void>& bytes,
                  std::span<const record_view> records) override;
  void on_credit(peer_id peer) override;
  void on_disconnected(peer_id peer, std::uint64_t epoch, const error& why, dropped_records dropped) override;
  void on_peer_down(peer_id peer, const error& why) override;
  void on_problem(std::string_view node, const error& what) override;

 private:
  history& at(peer_id peer) { return histories_[transport_->name_of(peer)]; }

  transport* transport_ = nullptr;
  std::mutex mutex_;  // guards everything below
  std::condition_variable changed_;
  std::map<std::string, history, std::less<>> histories_;
  std::vector<std::pair<std::string, std::string>> problems_;
};

/// Options for `name` on a free loopback port, in plaintext. `others` are listening already: their ports are known.
[[nodiscard]] node_options options_for(std::string name, std::vector<member> others);

/// A member that only dials us, so that its address does not matter.
[[nodiscard]] inline member dialer(std::string name) { return member(std::move(name), "127.0.0.1:1"); }
[[nodiscard]] inline member at(std::string name, const transport& where) {
  return member(std::move(name), "127.0.0.1:" + std::to_string(where.port()));
}

/// A transport with its recorder.
struct test_node {
  explicit test_node(node_options with);
  transport& operator*() const { return *up; }
  transport* operator->() const { return up.get(); }
  void stop() { up->stop(std::chrono::steady_clock::now() + std::chrono::seconds(10)); }

  node_options options;
  std::unique_ptr<recorder> seen = std::make_unique<recorder>();
  std::unique_ptr<transport> up;
};

/// Two connected nodes; "a" dials.
struct test_pair {
  test_pair() : test_pair([](node_options&) {}) {}
  explicit test_pair(const std::function<void(node_options&)>& adjust);

  std::unique_ptr<test_node> b, a;
  peer_id to_b{}, to_a{};
};

/// Posts `text`; the record's target is `number`.
result<post_outcome> post_text(transport& from, peer_id to, std::uint64_t number, std::string_view text,
                               bool use_credit = false);

}  // namespace tandem::cluster::internal
