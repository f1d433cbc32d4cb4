#include "recorder.hpp"

#include <chrono>
#include <cstring>

namespace tandem::cluster::internal {
namespace {
constexpr std::chrono::seconds patience{20};
}

bool recorder::wait(std::string_view peer, const std::function<bool(const history&)>& holds) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return holds(histories_[std::string(peer)]); });
}

bool recorder::wait_connected(std::string_view peer, std::size_t times) {
  return wait(peer, [times](const history& h) { return h.connected && h.epochs.size() >= times; });
}

bool recorder::wait_down(std::string_view peer, std::size_t times) {
  return wait(peer, [times](const history& h) { return h.downs.size() >= times; });
}

std::optional<std::string> recorder::wait_problem(std::string_view peer, std::string_view part) {
  std::optional<std::string> found;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, patience, [&] {
    for (const auto& [node, text] : problems_)
      if (node == peer && text.find(part) != std::string::npos) found = text;
    return found.has_value();
  });
  if (!found)
    for (const auto& [node, text] : problems_) ADD_FAILURE() << "only this was reported: " << node << ": " << text;
  return found;
}

recorder::history recorder::of(std::string_view peer) {
  const std::lock_guard lock(mutex_);
  return histories_[std::string(peer)];
}

std::vector<std::pair<std::string, std::string>> recorder::problems() {
  const std::lock_guard lock(mutex_);
  return problems_;
}

void recorder::on_peer_up(peer_id peer, std::uint64_t incarnation, std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  history& h = at(peer);
  EXPECT_FALSE(h.connected) << "up twice";
  EXPECT_TRUE(h.epochs.empty() || h.epochs.back() < epoch) << "epochs must grow";
  h.connected = true;
  h.incarnations.push_back(incarnation);
  h.epochs.push_back(epoch);
  changed_.notify_all();
}

result<void> recorder::on_records(peer_id peer, std::uint64_t epoch, const std::shared_ptr<const void>& bytes,
                                  std::span<const record_view> records) {
  EXPECT_NE(bytes, nullptr);
  if (on_record)
    for (const auto& record : records) on_record(peer, epoch, record);
  const std::lock_guard lock(mutex_);
  history& h = at(peer);
  EXPECT_TRUE(h.connected && h.epochs.back() == epoch) << "records outside of their connection";
  h.records += records.size();
  changed_.notify_all();
  return {};
}

void recorder::on_credit(peer_id peer) {
  const std::lock_guard lock(mutex_);
  EXPECT_TRUE(at(peer).connected);
  ++at(peer).credits;
  changed_.notify_all();
}

void recorder::on_disconnected(peer_id peer, std::uint64_t epoch, const error& why, dropped_records dropped) {
  if (on_dropped) on_dropped(dropped);
  const std::lock_guard lock(mutex_);
  history& h = at(peer);
  EXPECT_TRUE(h.connected && h.epochs.back() == epoch) << "disconnected without being connected";
  h.connected = false;
  h.disconnects.push_back(why.message());
  h.dropped += dropped.records.size();
  changed_.notify_all();
}

void recorder::on_peer_down(peer_id peer, const error& why) {
  const std::lock_guard lock(mutex_);
  history& h = at(peer);
  EXPECT_FALSE(h.connected) << "down while connected";
  h.downs.push_back(why.message());
  changed_.notify_all();
}

void recorder::on_problem(std::string_view node, const error& what) {
  const std::lock_guard lock(mutex_);
  problems_.emplace_back(node, what.message());
  changed_.notify_all();
}

node_options options_for(std::string name, std::vector<member> others) {
  node_options options;
  options.name = std::move(name);
  options.listen_address = "127.0.0.1:0";
  options.members = std::move(others);
  options.insecure_plaintext = true;
  options.timing.backoff_initial = std::chrono::milliseconds(10);
  options.timing.backoff_max = std::chrono::milliseconds(50);
  options.timing.down_after = std::chrono::milliseconds(200);
  return options;
}

test_node::test_node(node_options with) : options(std::move(with)) {
  auto started = transport::start(options, *seen);
  if (!started) {
    ADD_FAILURE() << started.error().message();
    return;
  }
  up = *std::move(started);
  options.listen_address = "127.0.0.1:" + std::to_string(up->port());  // for a second life at the same place
}

test_pair::test_pair(const std::function<void(node_options&)>& adjust) {
  auto options = options_for("b", {dialer("a")});
  adjust(options);
  b = std::make_unique<test_node>(options);
  options = options_for("a", {at("b", **b)});
  adjust(options);
  a = std::make_unique<test_node>(options);
  EXPECT_TRUE(a->seen->wait_connected("b") && b->seen->wait_connected("a"));
  to_b = *(*a)->find("b");
  to_a = *(*b)->find("a");
}

result<post_outcome> post_text(transport& from, peer_id to, std::uint64_t number, std::string_view text,
                               bool use_credit) {
  record_header header;
  header.target = number;
  return from.post(
      to, header, text.size(), [text](std::span<std::byte> out) { std::memcpy(out.data(), text.data(), text.size()); },
      use_credit);
}

}  // namespace tandem::cluster::internal
