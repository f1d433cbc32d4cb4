#include "hub.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "address.hpp"
#include "grpc_args.hpp"

namespace tandem::cluster::internal {
namespace {

constexpr std::uint32_t protocol_version = 1;
constexpr std::size_t strangers_remembered = 64;

std::uint64_t random_incarnation() {
  std::random_device device;
  for (;;)
    if (const auto value = std::uint64_t{device()} << 32 | device(); value != 0) return value;
}

}  // namespace

hub::hub(node_options options, transport_listener& listener) : options_(std::move(options)), listener_(listener) {
  hello_.set_protocol_version(protocol_version);
  hello_.set_cluster_name(options_.cluster_name);
  hello_.set_node_name(options_.name);
  hello_.set_incarnation(random_incarnation());
  hello_.set_receive_window_bytes(options_.limits.receive_window_bytes);
  hello_.set_max_record_bytes(options_.limits.max_record_bytes);

  auto members = options_.members;
  std::erase_if(members, [this](const member& m) { return m.name == options_.name; });
  std::ranges::sort(members, {}, &member::name);
  for (auto& m : members) {
    const bool dials = options_.name < m.name;
    peers_.push_back(std::make_unique<peer>(*this, peer_id{static_cast<std::uint32_t>(peers_.size())}, std::move(m),
                                            dials));
  }
}

hub::~hub() { stop(std::chrono::steady_clock::now(), false); }

result<void> hub::listen() {
  auto made = make_credentials(options_);
  if (!made) return fail(std::move(made).error());
  credentials_ = *std::move(made);
  TANDEM_TRY(probe_listen(options_.listen_address));

  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(options_.listen_address, credentials_.server, &port);
  set_server_arguments(builder, options_);
  builder.RegisterService(&service_);
  server_ = builder.BuildAndStart();
  if (!server_ || port == 0)
    return fail(errc::unavailable, fmt::format("cannot listen on {}: somebody took the port just now; try again",
                                               options_.listen_address));
  port_ = static_cast<std::uint16_t>(port);
  return {};
}

void hub::start_dialing() {
  for (const auto& p : peers_) p->start();
}

std::shared_ptr<grpc::Channel> hub::make_channel(const member& to) const {
  return grpc::CreateCustomChannel(to.address, credentials_.client, channel_arguments(to, options_));
}

peer* hub::find(std::string_view node) const noexcept {
  const auto at = std::ranges::lower_bound(peers_, node, {}, [](const auto& p) -> std::string_view { return p->name(); });
  return at != peers_.end() && (*at)->name() == node ? at->get() : nullptr;
}

result<void> hub::check_hello(const v1::Hello& hello) const {
  const std::string other = printable(hello.node_name());
  if (hello.protocol_version() != protocol_version)
    return fail(errc::failed_precondition,
                fmt::format("node {} speaks version {} of the protocol and node {} version {}; run the same release",
                            options_.name, protocol_version, other, hello.protocol_version()));
  if (hello.cluster_name() != options_.cluster_name)
    return fail(errc::failed_precondition,
                fmt::format("node {} is of cluster '{}' and node {} of cluster '{}'; correct cluster_name or the members",
                            options_.name, options_.cluster_name, other, printable(hello.cluster_name())));
  if (hello.incarnation() == 0 || hello.receive_window_bytes() == 0 ||
      hello.max_record_bytes() < record_header_bytes)
    return fail(errc::failed_precondition, fmt::format("the Hello of node {} lacks a field", other));
  return {};
}

result<peer*> hub::identify(const v1::Hello& hello, const grpc::AuthContext& identity) const {
  const std::string name = printable(hello.node_name());
  if (!options_.insecure_plaintext) {
    const auto names = identity.FindPropertyValues(GRPC_PEER_DNS_PROPERTY_NAME);
    if (std::ranges::find(names, grpc::string_ref(hello.node_name())) == names.end())
      return fail(errc::unauthenticated, fmt::format("the certificate presented is not valid for the name {}; its "
                                                     "subject alternative name must have DNS:{}",
                                                     name, name));
  }
  TANDEM_TRY(check_hello(hello));
  peer* const from = find(hello.node_name());
  if (from == nullptr)
    return fail(errc::permission_denied,
                fmt::format("{} is not among the members that node {} knows; add it there", name, options_.name));
  if (from->dials())
    return fail(errc::failed_precondition,
                fmt::format("node {} dials node {}, not the other way round", options_.name, name));
  if (const auto current = from->connected_incarnation(); current != 0 && current != hello.incarnation())
    return fail(errc::already_exists,
                fmt::format("another process is connected to node {} as {}; give each its own name", options_.name, name));
  return from;
}

result<peer*> hub::admit(const v1::Hello& hello, const grpc::AuthContext& identity) {
  auto from = identify(hello, identity);
  if (from) return from;
  const std::string name = printable(hello.node_name());
  error what = wrap(from.error(), fmt::format("refused a connection from '{}'", name));
  if (peer* const known = find(hello.node_name())) {
    known->report_problem(std::move(what));
  } else {
    strangers_.push([this, name, what = std::move(what)] {
      if (told_.size() < strangers_remembered && told_.insert(what.message()).second) listener_.on_problem(name, what);
    });
  }
  return from;
}

void hub::expect_hello(std::weak_ptr<link> which) {
  const auto limit = options_.timing.connect_timeout;
  timers_.after(limit, [which = std::move(which), limit] {
    if (const auto live = which.lock())
      live->abort_if_greeting(make_error(
          errc::deadline_exceeded,
          fmt::format("no answer within {} ms; is the address right, and no firewall between?", limit.count())));
  });
}

grpc::ServerBidiReactor<v1::Frame, v1::Frame>* hub::service::Open(grpc::CallbackServerContext* context) {
  const auto accepted = std::make_shared<server_link>(hub_, *context);
  accepted->start(hub_.admission());
  return accepted.get();  // it owns itself until OnDone, which does not come before this returns
}

grpc::Status hub::admission() {
  const std::lock_guard lock(mutex_);
  if (state_ != state::running) return {grpc::StatusCode::UNAVAILABLE, "this node is stopping"};
  if (links_.size() > 4 * peers_.size() + 16)
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many connections that have not said Hello"};
  return grpc::Status::OK;
}

void hub::link_made(const std::shared_ptr<link>& which) {
  const std::lock_guard lock(mutex_);
  links_.emplace(which.get(), which);
}

void hub::link_gone(link& which) {
  const std::lock_guard lock(mutex_);
  links_.erase(&which);
  if (links_.empty()) changed_.notify_all();
}

void hub::abort_all() {
  std::vector<std::shared_ptr<link>> live;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [raw, weak] : links_)
      if (auto held = weak.lock()) live.push_back(std::move(held));
  }
  for (const auto& each : live) each->abort(make_error(errc::cancelled, "this node is stopping"));
}

void hub::stop(std::chrono::steady_clock::time_point deadline, bool goodbye) {
  {
    std::unique_lock lock(mutex_);
    if (state_ != state::running) {
      changed_.wait(lock, [this] { return state_ == state::stopped; });
      return;
    }
    state_ = state::stopping;
  }
  timers_.stop();  // no new attempts
  for (const auto& p : peers_) p->leave(goodbye);
  const auto no_links = [this] { return links_.empty(); };
  if (goodbye) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, no_links);
  }
  abort_all();
  if (server_) server_->Shutdown(std::chrono::system_clock::now());
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, no_links);
  }
  for (const auto& p : peers_) p->wait_until_at_rest();
  strangers_.wait_until_at_rest();
  for (const auto& p : peers_) p->drop_channel();
  server_.reset();  // (B1)

  const std::lock_guard lock(mutex_);
  state_ = state::stopped;
  changed_.notify_all();
}

}  // namespace tandem::cluster::internal
