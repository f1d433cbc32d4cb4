#include "hub_of_actors.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include <tandem/cluster/v1/link.pb.h>

#include <tandem/actors/detail/message.hpp>
#include <tandem/runtime/spawn.hpp>

#include "error_wire.hpp"

namespace tandem::cluster::internal {
namespace {

// What stopping waits at least for the last callbacks: they are in memory, so only a slow handler needs more.
constexpr std::chrono::seconds last_words{1};

}  // namespace

void callback_queue::post(std::function<void()> call) {
  {
    const std::lock_guard hold(lock_);
    if (closed_) return;
    calls_.push_back(std::move(call));
    if (std::exchange(draining_, true)) return;
  }
  // Under no context: what happened is told even while everything is being cancelled.
  tandem::detail::spawn_on(scheduler_, drain(), spawn_options("cluster callbacks", context()),
                           std::source_location::current())
      .detach();
}

task<> callback_queue::drain() {
  const auto self = shared_from_this();
  for (;;) {
    std::function<void()> call;
    {
      const std::lock_guard hold(lock_);
      running_ = false;
      if (calls_.empty() || closed_) {
        draining_ = false;
        at_rest_.notify_all();
        co_return;
      }
      call = std::move(calls_.front());
      calls_.pop_front();
      running_ = true;
    }
    call();
  }
}

void callback_queue::close(std::chrono::steady_clock::time_point deadline) {
  std::deque<std::function<void()>> dropped;  // outside of the lock
  std::unique_lock hold(lock_);
  const auto drained = [this] { return !draining_; };
  if (!is_stopping(scheduler_)) at_rest_.wait_until(hold, deadline, drained);
  closed_ = true;
  dropped.swap(calls_);
  at_rest_.wait(hold, [this] { return !running_; });
}

// Gives credit back to the peer whose connection a message came on.
struct hub_of_actors::consumption final : actors::detail::consumption_listener {
  consumption(std::shared_ptr<hub_of_actors> h, peer_id p, std::uint64_t e) noexcept
      : hub(std::move(h)), peer(p), epoch(e) {}
  void consumed(std::size_t payload_bytes) noexcept override {
    hub->wire().release(peer, epoch, payload_bytes + record_header_bytes);
  }
  const std::shared_ptr<hub_of_actors> hub;
  const peer_id peer;
  const std::uint64_t epoch;
};

struct hub_of_actors::remote_reply final : actors::detail::reply_sink {
  remote_reply(std::shared_ptr<hub_of_actors> h, peer_link& l, std::uint64_t e, std::uint64_t c) noexcept
      : hub(std::move(h)), link(l), epoch(e), correlation(c) {}

  void reply(std::size_t size, actors::detail::fill_ref fill) noexcept override {
    const auto write = [&](std::span<std::byte> out) { (void)fill(out); };
    link.respond(epoch, header(record_kind::answer), size, write);
  }
  void fail(error why) noexcept override {
    const v1::Error refusal = encode_error(why, hub->own_name());
    const auto write = [&](std::span<std::byte> out) {
      (void)refusal.SerializeToArray(out.data(), static_cast<int>(out.size()));
    };
    link.respond(epoch, header(record_kind::refuse), refusal.ByteSizeLong(), write);
  }
  [[nodiscard]] record_header header(record_kind kind) const noexcept {
    record_header h;
    h.kind = static_cast<std::uint8_t>(kind);
    h.sender = correlation;
    return h;
  }

  const std::shared_ptr<hub_of_actors> hub;  // keeps `link` in memory
  peer_link& link;
  const std::uint64_t epoch;
  const std::uint64_t correlation;
};

hub_of_actors::hub_of_actors(actors::system& system, std::string own_name, node_event_handler on_event)
    : system_(system),
      own_name_(std::move(own_name)),
      on_event_(std::move(on_event)),
      callbacks_(std::make_shared<callback_queue>(actors::detail::system_access::scheduler_of(system))) {}

hub_of_actors::~hub_of_actors() = default;

result<void> hub_of_actors::start(node_options options) {
  auto started = transport::start(std::move(options), *this);
  if (!started) return fail(std::move(started).error());
  owned_ = std::move(*started);
  return {};
}

void hub_of_actors::stop(std::chrono::steady_clock::time_point deadline) {
  if (!owned_) return;
  owned_->stop(deadline);  // each connection has been reported as ended when it returns
  for (auto& link : links_) link->close();
  // What was lost with them is still told to users, who may be gone once this returns.
  callbacks_->close(std::max(deadline, std::chrono::steady_clock::now() + last_words));
}

void hub_of_actors::on_start(transport& t) {
  transport_ = &t;
  for (std::size_t i = 0; i < t.peer_count(); ++i) {
    const auto id = static_cast<peer_id>(i);
    links_.push_back(std::make_unique<peer_link>(*this, id, t.name_of(id)));
  }
  accounts_.resize(links_.size());
}

tandem::detail::scheduler& hub_of_actors::scheduler() noexcept {
  return actors::detail::system_access::scheduler_of(system_);
}

peer_link* hub_of_actors::find_peer(std::string_view name) noexcept {
  for (auto& link : links_)
    if (link->name() == name) return link.get();
  return nullptr;
}

wire_counters hub_of_actors::counters() const noexcept {
  // Counters of independent events, for people: no order between them is needed.
  wire_counters c;
  c.messages_sent = messages_sent_.load(std::memory_order_relaxed);
  c.messages_received = messages_received_.load(std::memory_order_relaxed);
  c.bytes_sent = bytes_sent_.load(std::memory_order_relaxed);
  c.bytes_received = bytes_received_.load(std::memory_order_relaxed);
  return c;
}

void hub_of_actors::count_sent(std::size_t payload_bytes) noexcept {
  messages_sent_.fetch_add(1, std::memory_order_relaxed);
  bytes_sent_.fetch_add(payload_bytes + record_header_bytes, std::memory_order_relaxed);
}

void hub_of_actors::report(actors::dead_letter letter) noexcept {
  callbacks_->post([self = shared_from_this(), letter = std::move(letter)] {
    actors::detail::system_access::report(self->system_, letter);
  });
}

void hub_of_actors::tell(node_event event) {
  if (!on_event_) return;
  callbacks_->post([self = shared_from_this(), event = std::move(event)] { self->on_event_(event); });
}

void hub_of_actors::forget_expired_asks() {
  for (auto& link : links_) link->forget_expired(now());
}

result<actors::detail::target_ptr> hub_of_actors::find_here(std::string_view name,
                                                            const actors::protocol_info& wanted) {
  actors::detail::target_ptr found = actors::detail::system_access::find(system_, name);
  if (!found) {
    return fail(errc::not_found, fmt::format("node {} has no actor named {}: register it there first", own_name_, name));
  }
  if (!covers(found->protocol(), wanted)) {
    return fail(errc::failed_precondition,
                fmt::format("actor {} of node {} takes {}; wanted was {}", name, own_name_, found->protocol().text,
                            wanted.text));
  }
  return found;
}

void hub_of_actors::on_peer_up(peer_id peer, std::uint64_t incarnation, std::uint64_t epoch) {
  accounts_[static_cast<std::size_t>(peer)] = std::make_shared<consumption>(shared_from_this(), peer, epoch);
  link_of(peer).up(incarnation, epoch);
  tell({node_event::kind::up, link_of(peer).name(), {}});
}

void hub_of_actors::on_credit(peer_id peer) { link_of(peer).credit(); }

void hub_of_actors::on_disconnected(peer_id peer, std::uint64_t, const error& why, dropped_records dropped) {
  accounts_[static_cast<std::size_t>(peer)].reset();
  link_of(peer).disconnected(why, std::move(dropped));
}

void hub_of_actors::on_peer_down(peer_id peer, const error& why) {
  tell({node_event::kind::down, link_of(peer).name(), why});
}

void hub_of_actors::on_problem(std::string_view node, const error& what) {
  if (peer_link* const link = find_peer(node)) link->problem(what);
  tell({node_event::kind::problem, std::string(node), what});
}

void hub_of_actors::on_records(peer_id peer, std::uint64_t epoch, const std::shared_ptr<const void>& bytes,
                               std::span<const record_view> records) {
  peer_link& link = link_of(peer);
  const auto& account = accounts_[static_cast<std::size_t>(peer)];
  std::size_t total = 0;
  for (const record_view& record : records) {
    total += record.wire_bytes();
    switch (static_cast<record_kind>(record.header.kind)) {
      case record_kind::tell:
      case record_kind::ask:
        take_message(link, epoch, bytes, record, account);
        continue;
      case record_kind::answer:
        link.answer(record.header.sender, record.payload);
        break;
      case record_kind::refuse:
        link.refuse(record.header.sender, decode_error(record.payload));
        break;
      default:
        // A newer node's idea of a record: nobody here waits for it.
        report({make_error(errc::unimplemented, fmt::format("record of kind {}", record.header.kind)),
                record.header.target, "@" + own_name_, "unknown"});
    }
    if (record.paid()) transport_->release(peer, epoch, record.wire_bytes());
  }
  messages_received_.fetch_add(records.size(), std::memory_order_relaxed);
  bytes_received_.fetch_add(total, std::memory_order_relaxed);
}

void hub_of_actors::take_message(peer_link& link, std::uint64_t epoch, const std::shared_ptr<const void>& bytes,
                                 const record_view& record,
                                 const std::shared_ptr<actors::detail::consumption_listener>& account) {
  actors::detail::incoming message;
  message.type_hash = record.header.type_hash;
  message.bytes = record.payload;
  message.owner = bytes;
  if (record.header.remaining_ms != 0) message.remaining = std::chrono::milliseconds(record.header.remaining_ms);
  if (record.paid()) message.link = account;
  const bool ask = record.header.kind == static_cast<std::uint8_t>(record_kind::ask);
  if (ask) message.sink = std::make_unique<remote_reply>(shared_from_this(), link, epoch, record.header.sender);

  if (ask && record.header.target == 0) {
    take_request(std::move(message));
    return;
  }
  if (const auto local = actors::detail::system_access::find(system_, record.header.target)) {
    local->deliver_bytes(std::move(message));
    return;
  }
  const error gone = make_error(errc::unavailable, fmt::format("actor {} of node {} has ended", record.header.target,
                                                               own_name_));
  if (message.sink) {
    message.sink->fail(gone);
  } else {
    report({gone, record.header.target, "@" + own_name_, fmt::format("wire type {:08x}", message.type_hash)});
  }
  if (message.link) message.link->consumed(message.bytes.size());
}

// An ask for the node itself. Short and without user code, so it is answered here.
void hub_of_actors::take_request(actors::detail::incoming request) {
  const auto answer = [&]() -> result<v1::LookupReply> {
    v1::LookupRequest asked;
    if (request.type_hash != actors::detail::type_of_message<v1::LookupRequest>().hash)
      return fail(errc::unimplemented, fmt::format("node {} knows no such request; is it older?", own_name_));
    if (!actors::detail::decode_from(asked, request.bytes))
      return fail(errc::invalid_argument, "a lookup request that cannot be read");
    std::vector<std::string> signatures;
    const std::string& text = asked.protocol();
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find(", ", at), text.size());
      signatures.push_back(text.substr(at, end - at));
      at = end + 2;
    }
    const actors::protocol_info wanted{signatures, text, asked.protocol_fingerprint()};
    auto found = find_here(asked.name(), wanted);
    if (!found) return fail(std::move(found).error());
    if (!dynamic_cast<actors::detail::local_target*>(found->get()))
      return fail(errc::not_found, fmt::format("{} is registered on node {} but lives elsewhere: {}", asked.name(),
                                               own_name_, (*found)->target_name()));
    v1::LookupReply reply;
    reply.set_actor_id((*found)->id());
    return reply;
  }();
  if (answer) {
    const auto write = [&](std::span<std::byte> out) { return actors::detail::encode_into(*answer, out); };
    request.sink->reply(answer->ByteSizeLong(), actors::detail::fill_ref(write));
  } else {
    request.sink->fail(answer.error());
  }
  if (request.link) request.link->consumed(request.bytes.size());
}

}  // namespace tandem::cluster::internal
