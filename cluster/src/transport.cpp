#include "transport.hpp"

#include <utility>

#include "hub.hpp"
#include "peer.hpp"

namespace tandem::cluster::internal {

result<std::unique_ptr<transport>> transport::start(node_options options, transport_listener& listener) {
  TANDEM_TRY(validate(options));
  std::unique_ptr<transport> made(new transport(std::make_unique<hub>(std::move(options), listener)));
  listener.on_start(*made);
  TANDEM_TRY(made->hub_->listen());
  made->hub_->start_dialing();
  return made;
}

transport::transport(std::unique_ptr<hub> shared) : hub_(std::move(shared)) {}

transport::~transport() = default;

result<post_outcome> transport::post(peer_id to, const record_header& header, std::size_t payload_bytes, fill_ref fill,
                                     bool use_credit) {
  return hub_->peers()[std::to_underlying(to)]->out().post(header, payload_bytes, fill, use_credit);
}

void transport::release(peer_id from, std::uint64_t epoch, std::uint64_t bytes) {
  hub_->peers()[std::to_underlying(from)]->out().release(epoch, bytes);
}

void transport::stop(std::chrono::steady_clock::time_point deadline) { hub_->stop(deadline, true); }

std::size_t transport::peer_count() const noexcept { return hub_->peers().size(); }

std::optional<peer_id> transport::find(std::string_view node) const noexcept {
  const peer* const found = hub_->find(node);
  return found != nullptr ? std::optional(found->id()) : std::nullopt;
}

const std::string& transport::name_of(peer_id which) const noexcept {
  return hub_->peers()[std::to_underlying(which)]->name();
}

const std::string& transport::own_name() const noexcept { return hub_->options().name; }

std::uint64_t transport::incarnation() const noexcept { return hub_->hello().incarnation(); }

std::uint16_t transport::port() const noexcept { return hub_->port(); }

}  // namespace tandem::cluster::internal
