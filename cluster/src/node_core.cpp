#include "node_core.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include <tandem/cluster/v1/link.pb.h>

#include <tandem/actors/detail/message.hpp>
#include <tandem/runtime/spawn.hpp>

#include "refusal.hpp"

namespace tandem::cluster::internal {
namespace {

// What stopping waits at least for the last callbacks: they are in memory, so only a slow handler needs more.
constexpr std::chrono::seconds last_words{1};

// The text of a protocol in a lookup request. It is taken apart on a thread of gRPC, into strings larger than itself.
constexpr std::size_t longest_protocol = std::size_t{64} << 10;

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

// Gives credit back to the peer whose connection a message came on, and knows how much memory that one's frames hold.
struct node_core::consumption final : actors::detail::consumption_listener,
                                          std::enable_shared_from_this<consumption> {
  consumption(std::shared_ptr<node_core> h, peer_id p, std::uint64_t e) noexcept
      : core(std::move(h)), peer(p), epoch(e) {}

  /// What messages of this frame share to keep its bytes; null if each has to copy its own. One message that waits
  /// keeps a whole frame, however small it is and however many others of the frame were consumed, so the window alone
  /// bounds nothing.
  std::shared_ptr<const void> keep(const std::shared_ptr<const void>& frame, std::span<const record_view> records) {
    if (records.size() == 1) return frame;
    std::size_t bytes = 0;
    for (const record_view& r : records) bytes += r.wire_bytes();
    // A peer with every byte of its window unconsumed stays below twice the window, and is not held up by copies.
    if (kept.load(std::memory_order_relaxed) + bytes > 2 * core->window_) return nullptr;
    // relaxed: an amount of memory, grown by one thread at a time.
    kept.fetch_add(bytes, std::memory_order_relaxed);
    return {frame.get(), [frame, bytes, self = shared_from_this()](const void*) {
              self->kept.fetch_sub(bytes, std::memory_order_relaxed);
            }};
  }
  void consumed(std::size_t payload_bytes) noexcept override {
    core->wire().release(peer, epoch, payload_bytes + record_header_bytes);
  }
  const std::shared_ptr<node_core> core;
  const peer_id peer;
  const std::uint64_t epoch;
  std::atomic<std::size_t> kept{0};  // bytes of frames that some message keeps
};

struct node_core::remote_reply final : actors::detail::reply_sink {
  remote_reply(std::shared_ptr<node_core> h, remote_peer& l, std::uint64_t e, std::uint64_t c) noexcept
      : core(std::move(h)), link(l), epoch(e), correlation(c) {}

  void reply(std::size_t size, actors::detail::fill_ref fill) noexcept override {
    const auto write = [&](std::span<std::byte> out) { (void)fill(out); };
    link.respond(epoch, header(record_kind::answer), size, write);
  }
  void fail(error why) noexcept override {
    const std::string refusal = encode_refusal(why, core->own_name());
    const auto write = [&](std::span<std::byte> out) { std::memcpy(out.data(), refusal.data(), out.size()); };
    link.respond(epoch, header(record_kind::refuse), refusal.size(), write);
  }
  [[nodiscard]] record_header header(record_kind kind) const noexcept {
    record_header h;
    h.kind = static_cast<std::uint8_t>(kind);
    h.sender = correlation;
    return h;
  }

  const std::shared_ptr<node_core> core;  // keeps `link` in memory
  remote_peer& link;
  const std::uint64_t epoch;
  const std::uint64_t correlation;
};

node_core::node_core(actors::system& system, std::string own_name, node_event_handler on_event)
    : system_(system),
      own_name_(std::move(own_name)),
      on_event_(std::move(on_event)),
      callbacks_(std::make_shared<callback_queue>(actors::detail::system_access::scheduler_of(system))) {}

node_core::~node_core() = default;

result<void> node_core::start(node_options options) {
  window_ = options.limits.receive_window_bytes;
  auto started = transport::start(std::move(options), *this);
  if (!started) return fail(std::move(started).error());
  owned_ = std::move(*started);
  return {};
}

void node_core::stop(std::chrono::steady_clock::time_point deadline) {
  if (!owned_) return;
  owned_->stop(deadline);  // each connection has been reported as ended when it returns
  for (auto& link : links_) link->close();
  // What was lost with them is still told to users, who may be gone once this returns.
  callbacks_->close(std::max(deadline, std::chrono::steady_clock::now() + last_words));
}

void node_core::on_start(transport& t) {
  transport_ = &t;
  for (std::size_t i = 0; i < t.peer_count(); ++i) {
    const auto id = static_cast<peer_id>(i);
    links_.push_back(std::make_unique<remote_peer>(*this, id, t.name_of(id)));
  }
  accounts_.resize(links_.size());
}

tandem::detail::scheduler& node_core::scheduler() noexcept {
  return actors::detail::system_access::scheduler_of(system_);
}

remote_peer* node_core::find_peer(std::string_view name) noexcept {
  for (auto& link : links_)
    if (link->name() == name) return link.get();
  return nullptr;
}

wire_counters node_core::counters() const noexcept {
  // Counters of independent events, for people: no order between them is needed.
  wire_counters c;
  c.messages_sent = messages_sent_.load(std::memory_order_relaxed);
  c.messages_received = messages_received_.load(std::memory_order_relaxed);
  c.bytes_sent = bytes_sent_.load(std::memory_order_relaxed);
  c.bytes_received = bytes_received_.load(std::memory_order_relaxed);
  return c;
}

void node_core::count_sent(std::size_t payload_bytes) noexcept {
  messages_sent_.fetch_add(1, std::memory_order_relaxed);
  bytes_sent_.fetch_add(payload_bytes + record_header_bytes, std::memory_order_relaxed);
}

void node_core::report(actors::dead_letter letter, std::function<void()> then) noexcept {
  callbacks_->post([self = shared_from_this(), letter = std::move(letter), then = std::move(then)] {
    actors::detail::system_access::report(self->system_, letter);
    if (then) then();
  });
}

void node_core::tell(node_event event) {
  if (!on_event_) return;
  callbacks_->post([self = shared_from_this(), event = std::move(event)] { self->on_event_(event); });
}

void node_core::forget_expired_asks() {
  for (auto& link : links_) link->forget_expired(now());
}

result<actors::detail::target_ptr> node_core::find_here(std::string_view name,
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

void node_core::on_peer_up(peer_id peer, std::uint64_t incarnation, std::uint64_t epoch) {
  accounts_[static_cast<std::size_t>(peer)] = std::make_shared<consumption>(shared_from_this(), peer, epoch);
  link_of(peer).up(incarnation, epoch);
  tell({node_event::kind::up, link_of(peer).name(), {}});
}

void node_core::on_credit(peer_id peer) { link_of(peer).credit(); }

void node_core::on_disconnected(peer_id peer, std::uint64_t, const error& why, dropped_records dropped) {
  accounts_[static_cast<std::size_t>(peer)].reset();
  link_of(peer).disconnected(why, std::move(dropped));
}

void node_core::on_peer_down(peer_id peer, const error& why) {
  tell({node_event::kind::down, link_of(peer).name(), why});
}

void node_core::on_problem(std::string_view node, const error& what) {
  if (remote_peer* const link = find_peer(node)) link->problem(what);
  tell({node_event::kind::problem, std::string(node), what});
}

result<void> node_core::on_records(peer_id peer, std::uint64_t epoch, const std::shared_ptr<const void>& bytes,
                                       std::span<const record_view> records) {
  remote_peer& link = link_of(peer);
  const auto& account = accounts_[static_cast<std::size_t>(peer)];
  const auto owner = account->keep(bytes, records);
  std::size_t total = 0;
  for (const record_view& record : records) {
    total += record.wire_bytes();
    const auto kind = static_cast<record_kind>(record.header.kind);
    // Everything else is kept in memory for a while: without credit nothing would bound how much of it.
    if (!record.paid() && kind != record_kind::answer && kind != record_kind::refuse)
      return fail(errc::invalid_argument, fmt::format("a record of kind {} without credit", record.header.kind));
    switch (kind) {
      case record_kind::tell:
      case record_kind::ask:
        take_message(link, epoch, owner, record, account);
        continue;
      case record_kind::answer:
        link.answer(record.header.sender, record.payload);
        break;
      case record_kind::refuse:
        link.refuse(record.header.sender, decode_refusal(record.payload));
        break;
      default:
        // A newer node's idea of a record: nobody here waits for it.
        report({make_error(errc::unimplemented, fmt::format("record of kind {}", record.header.kind)),
                record.header.target, "@" + own_name_, "unknown"},
               [account, size = record.payload.size()] { account->consumed(size); });
        continue;
    }
    if (record.paid()) transport_->release(peer, epoch, record.wire_bytes());
  }
  messages_received_.fetch_add(records.size(), std::memory_order_relaxed);
  bytes_received_.fetch_add(total, std::memory_order_relaxed);
  return {};
}

void node_core::take_message(remote_peer& link, std::uint64_t epoch, const std::shared_ptr<const void>& bytes,
                                 const record_view& record, const std::shared_ptr<consumption>& account) {
  actors::detail::incoming message;
  message.type_hash = record.header.type_hash;
  message.bytes = record.payload;
  message.owner = bytes;
  if (!bytes && !record.payload.empty()) {
    const auto copy = std::make_shared_for_overwrite<std::byte[]>(record.payload.size());
    std::ranges::copy(record.payload, copy.get());
    message.bytes = {copy.get(), record.payload.size()};
    message.owner = copy;
  }
  if (record.header.remaining_ms != 0) message.remaining = std::chrono::milliseconds(record.header.remaining_ms);
  message.link = account;
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
    account->consumed(message.bytes.size());
  } else {
    // Credit for it comes after the report: letters may pile up no more than messages.
    report({gone, record.header.target, "@" + own_name_, fmt::format("wire type {:08x}", message.type_hash)},
           [account, size = message.bytes.size()] { account->consumed(size); });
  }
}

// An ask for the node itself. Short and without user code, so it is answered here.
void node_core::take_request(actors::detail::incoming request) {
  const auto answer = [&]() -> result<v1::LookupReply> {
    v1::LookupRequest asked;
    if (request.type_hash != actors::detail::type_of_message<v1::LookupRequest>().hash)
      return fail(errc::unimplemented, fmt::format("node {} knows no such request; is it older?", own_name_));
    if (!actors::detail::decode_from(asked, request.bytes))
      return fail(errc::invalid_argument, "a lookup request that cannot be read");
    if (asked.protocol().size() > longest_protocol)
      return fail(errc::invalid_argument, "a lookup request with a protocol that is too long");
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
  request.link->consumed(request.bytes.size());
}

}  // namespace tandem::cluster::internal
