#include <tandem/cluster/node.hpp>

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include <tandem/cluster/v1/link.pb.h>

#include <tandem/runtime/context.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>

#include "node_core.hpp"

namespace tandem::cluster {

using internal::node_core;
using internal::remote_peer;

class node::impl {
 public:
  std::shared_ptr<node_core> core;
  context root;            // of the node's own tasks
  cancel_source life{root};
};

namespace {

constexpr duration sweep_period = std::chrono::seconds(5);

task<> sweep(std::weak_ptr<node_core> watched) {
  while (const auto slept = co_await sleep_for(sweep_period)) {
    const auto core = watched.lock();
    if (!core) co_return;
    core->forget_expired_asks();
  }
}

using node_itself = actors::actor_ref<v1::LookupReply(v1::LookupRequest)>;

}  // namespace

result<std::unique_ptr<node>> node::start(actors::system& system, node_options options, node_event_handler on_event) {
  auto made = std::make_shared<impl>();
  made->core = std::make_shared<node_core>(system, options.name, std::move(on_event));
  TANDEM_TRY(made->core->start(std::move(options)));
  tandem::detail::spawn_on(made->core->scheduler(), sweep(made->core),
                           spawn_options("cluster sweep", made->life.context()), std::source_location::current())
      .detach();
  return std::unique_ptr<node>(new node(std::move(made)));
}

node::node(std::shared_ptr<impl> made) noexcept : impl_(std::move(made)) {}

node::~node() { stop(std::chrono::seconds(5)); }

void node::stop(duration limit) {
  impl_->life.cancel();
  impl_->core->stop(deadline_in(limit));
}

const std::string& node::name() const noexcept { return impl_->core->own_name(); }
std::uint16_t node::port() const noexcept { return impl_->core->wire().port(); }
wire_counters node::counters() const noexcept { return impl_->core->counters(); }

std::vector<peer_status> node::peers() const {
  std::vector<peer_status> all;
  for (const auto& link : impl_->core->links()) {
    const auto seen = link->look();
    all.push_back({link->name(), seen.connected, seen.incarnation});
  }
  return all;
}

task<result<void>> node::wait_for(std::string peer, duration limit) {
  const auto core = impl_->core;
  if (peer == core->own_name()) co_return result<void>();
  remote_peer* const link = core->find_peer(peer);
  if (!link) co_return fail(errc::not_found, fmt::format("{} is not in the list of members", peer));
  auto connected = link->when_up();
  if (!connected) co_return result<void>();
  auto waited = co_await tandem::detail::join_operation<void>(connected, deadline_in(limit));
  if (!waited && connected) link->forget(*connected.get());  // empty: it was completed
  if (waited || waited.error().code() != errc::timed_out) co_return waited;
  const auto seconds = std::chrono::duration_cast<std::chrono::duration<double>>(limit).count();
  const std::string text = fmt::format("node {} did not connect within {:.3g} s", peer, seconds);
  if (const error problem = link->last_problem()) co_return fail(wrap(problem, errc::unavailable, text));
  co_return fail(errc::unavailable, text + ": is it running, with the same list of members?");
}

task<result<actors::detail::target_ptr>> node::lookup_target(std::string peer, std::string name,
                                                             const actors::protocol_info& wanted, duration limit) {
  const auto core = impl_->core;
  if (peer == core->own_name()) co_return core->find_here(name, wanted);
  remote_peer* const link = core->find_peer(peer);
  if (!link) co_return fail(errc::not_found, fmt::format("{} is not in the list of members", peer));

  const auto seen = link->look();
  if (!seen.connected) {
    const std::string text = fmt::format("node {} is not connected", peer);
    if (const error problem = link->last_problem()) co_return fail(wrap(problem, errc::unavailable, text));
    co_return fail(errc::unavailable, text);
  }
  const node_itself there(actors::detail::target_ptr(
      new internal::remote_target(core, *link, seen.incarnation, 0, "lookup", node_itself::protocol::info())));
  v1::LookupRequest request;
  request.set_name(name);
  request.set_protocol(wanted.text);
  request.set_protocol_fingerprint(wanted.fingerprint);
  auto reply = co_await there.ask(std::move(request), limit);
  if (!reply) co_return fail(with_message(std::move(reply).error(), fmt::format("looking up {} on node {}", name, peer)));
  co_return actors::detail::target_ptr(
      new internal::remote_target(core, *link, seen.incarnation, reply->actor_id(), std::move(name), wanted));
}

}  // namespace tandem::cluster
