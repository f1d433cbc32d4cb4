#include "remote_peer.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>

#include <fmt/format.h>

#include "node_core.hpp"
#include "refusal.hpp"

namespace tandem::cluster::internal {
namespace {

// Thrown out of transport::post(), which then queues nothing.
struct cannot_encode : std::exception {};

constexpr tandem::detail::wait_kind a_connection{"a connection to another node",
                                                 &tandem::detail::completion_wait::cancel};

std::uint32_t wire_milliseconds(duration remaining) noexcept {
  if (remaining == duration::max()) return 0;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(remaining).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 1, UINT32_MAX));
}

}  // namespace

remote_peer::remote_peer(node_core& core, peer_id id, std::string name) : core_(core), id_(id), name_(std::move(name)) {}

remote_peer::state remote_peer::look() const {
  const std::lock_guard hold(lock_);
  return {connected_, incarnation_, epoch_};
}

error remote_peer::not_connected() const {
  const error text = problem_ ? with_message(problem_, fmt::format("node {} cannot be reached", name_))
                              : make_error(errc::unavailable, fmt::format("node {} cannot be reached", name_));
  return text.code() == errc::unavailable ? text : wrap(text, errc::unavailable, "not sent");
}

// Under lock_: an answer may come before the ask is in the table otherwise.
remote_peer::delivery remote_peer::send(const remote_target& to, envelope_ptr& message, error& why) {
  if (closed_ || !connected_) {
    why = not_connected();
    return delivery::failed;
  }
  if (to.incarnation() != incarnation_) {
    why = make_error(errc::not_found, fmt::format("node {} was restarted since {} was looked up: look it up again",
                                                  name_, to.target_name()));
    return delivery::failed;
  }
  const bool ask = message->is_ask();
  record_header header;
  header.kind = static_cast<std::uint8_t>(ask ? record_kind::ask : record_kind::tell);
  header.type_hash = message->type_hash();
  header.remaining_ms = wire_milliseconds(message->remaining());
  header.target = to.id();
  header.sender = ask ? last_correlation_ + 1 : 0;
  const std::size_t size = message->encoded_size();
  const auto encode = [&](std::span<std::byte> out) {
    if (!message->encode(out)) throw cannot_encode();
  };
  try {
    const auto posted = core_.wire().post(id_, header, size, encode, true);
    if (!posted) {
      why = with_message(posted.error(), fmt::format("a message of {} bytes to {}", size, to.target_name()));
      return delivery::failed;
    }
    if (*posted == post_outcome::no_credit) return delivery::full;
    if (*posted == post_outcome::not_connected) {
      why = not_connected();
      return delivery::failed;
    }
  } catch (const cannot_encode&) {
    why = make_error(errc::invalid_argument, fmt::format("{} cannot be encoded; is a required field missing or a "
                                                         "string no UTF-8?", message->type_name()));
    return delivery::failed;
  }
  core_.count_sent(size);
  if (ask) asks_.emplace(++last_correlation_, std::move(message));
  return delivery::delivered;
}

remote_peer::delivery remote_peer::try_deliver(remote_target& to, envelope_ptr& message, error& why) noexcept {
  if (message->expired()) {
    why = error_of(errc::deadline_exceeded);
    return delivery::failed;
  }
  delivery outcome{};
  {
    const std::lock_guard hold(lock_);
    // Others wait already, for this actor or another: a small message must not take the credit a large one waits for.
    if (connected_ && !hungry_.empty()) return delivery::full;
    outcome = send(to, message, why);
  }
  if (outcome == delivery::delivered) message.reset();  // a tell; an ask is in the table (P2)
  return outcome;
}

remote_peer::room_waiter::phase remote_peer::wait_for_room(remote_target& to, room_waiter& w) noexcept {
  aftermath later;
  room_waiter::phase outcome{};
  {
    const std::lock_guard hold(lock_);
    if (closed_ || !connected_) {
      w.why = not_connected();
      return w.state = room_waiter::phase::failed;
    }
    const bool first = to.waiting_.empty();
    if (!to.waiting_.push(w)) return w.state;
    if (first) hungry_.emplace_back(&to);
    // Credit may have come since try_deliver() looked; on_credit() comes only once per refusal.
    admit_waiting(later, &w);
    outcome = w.state;
  }
  later.run();
  return outcome;
}

bool remote_peer::cancel_wait(remote_target& to, room_waiter& w) noexcept {
  const std::lock_guard hold(lock_);
  const bool wake = to.waiting_.cancel(w);
  if (to.waiting_.empty()) std::erase_if(hungry_, [&](const auto& t) { return t.get() == &to; });
  return wake;
}

void remote_peer::aftermath::run() noexcept {
  wake.wake_all();
  for (const failure& f : failed) undeliverable(*f.to, *f.message, f.why);
}

void remote_peer::give_up(remote_target& to, room_waiter& w, error why, const room_waiter* self, aftermath& later) {
  if (&w != self && !w.sender) {
    later.failed.push_back({&to, std::move(w.message), std::move(why)});
    return;
  }
  w.why = std::move(why);
  if (&w != self) later.wake.add(w);
}

// Round robin over the targets, in order of arrival at each of them. Under lock_.
void remote_peer::admit_waiting(aftermath& later, const room_waiter* self) {
  while (!hungry_.empty()) {
    remote_target& to = *hungry_.front();
    error why;
    envelope_ptr& message = to.waiting_.front()->message;
    const delivery outcome = send(to, message, why);
    if (outcome == delivery::full) return;
    if (outcome == delivery::delivered) {
      later.sent.push_back(std::move(message));  // a tell; an ask is in the table
      room_waiter& w = *to.waiting_.pop(room_waiter::phase::admitted);
      if (&w != self) later.wake.add(w);
    } else {
      give_up(to, *to.waiting_.pop(room_waiter::phase::failed), std::move(why), self, later);
    }
    auto turn = std::move(hungry_.front());
    hungry_.pop_front();
    if (!turn->waiting_.empty()) hungry_.push_back(std::move(turn));
  }
}

void remote_peer::respond(std::uint64_t epoch, const record_header& header, std::size_t size, fill_ref fill) noexcept {
  const std::lock_guard hold(lock_);
  if (closed_ || !connected_ || epoch_ != epoch) return;  // the asker was told when the connection ended
  const auto posted = core_.wire().post(id_, header, size, fill, false);
  if (posted) {
    core_.count_sent(size);
    return;
  }
  // Too large for the peer. A refusal is small.
  const std::string refusal = encode_refusal(with_message(posted.error(), fmt::format("a reply of {} bytes", size)),
                                             core_.own_name());
  record_header instead = header;
  instead.kind = static_cast<std::uint8_t>(record_kind::refuse);
  const auto encode = [&](std::span<std::byte> out) { std::memcpy(out.data(), refusal.data(), out.size()); };
  if (core_.wire().post(id_, instead, refusal.size(), encode, false)) core_.count_sent(refusal.size());
}

void remote_peer::up(std::uint64_t incarnation, std::uint64_t epoch) {
  std::vector<tandem::detail::completion_ptr<void>> waiting;
  {
    const std::lock_guard hold(lock_);
    connected_ = true;
    incarnation_ = incarnation;
    epoch_ = epoch;
    problem_ = {};
    waiting.swap(awaiting_connection_);
  }
  for (auto& w : waiting) w.complete({});
}

void remote_peer::disconnected(const error& why, dropped_records dropped) {
  std::unordered_map<std::uint64_t, envelope_ptr> asks;
  aftermath later;
  const error lost = wrap(why, errc::unavailable, fmt::format("the connection to node {} was lost", name_));
  {
    const std::lock_guard hold(lock_);
    connected_ = false;
    asks.swap(asks_);
    for (auto& target : hungry_) {
      while (room_waiter* const w = target->waiting_.pop(room_waiter::phase::failed))
        give_up(*target, *w, lost, nullptr, later);
    }
    hungry_.clear();
  }
  later.run();
  for (auto& [correlation, ask] : asks) ask->fail(lost);
  for (const record_view& record : dropped.records) {
    if (record.header.kind != static_cast<std::uint8_t>(record_kind::tell)) continue;
    actors::dead_letter letter;
    letter.reason = lost;
    letter.target_id = record.header.target;
    letter.target_name = "@" + name_;
    letter.message_type = fmt::format("wire type {:08x}", record.header.type_hash);
    core_.report(std::move(letter));
  }
}

void remote_peer::credit() {
  aftermath later;
  {
    const std::lock_guard hold(lock_);
    admit_waiting(later);
  }
  later.run();
}

void remote_peer::answer(std::uint64_t correlation, std::span<const std::byte> bytes) {
  envelope_ptr ask;
  {
    const std::lock_guard hold(lock_);
    const auto found = asks_.find(correlation);
    if (found == asks_.end()) return;  // the asker has left, or the peer answers twice
    ask = std::move(found->second);
    asks_.erase(found);
  }
  (void)ask->complete_from_bytes(bytes);  // on failure the asker has been told
}

void remote_peer::refuse(std::uint64_t correlation, const error& why) {
  envelope_ptr ask;
  {
    const std::lock_guard hold(lock_);
    const auto found = asks_.find(correlation);
    if (found == asks_.end()) return;
    ask = std::move(found->second);
    asks_.erase(found);
  }
  ask->fail(why);
}

void remote_peer::problem(const error& what) {
  const std::lock_guard hold(lock_);
  problem_ = what;
}

error remote_peer::last_problem() const {
  const std::lock_guard hold(lock_);
  return problem_;
}

void remote_peer::forget_expired(time_point now) {
  std::vector<envelope_ptr> expired;
  const std::lock_guard hold(lock_);
  // The asker's own timer comes first: it says "timed out", which is more than "unavailable".
  constexpr duration grace = std::chrono::seconds(1);
  for (auto it = asks_.begin(); it != asks_.end();) {
    const time_point end = it->second->deadline();
    if (end != no_deadline && end + grace < now) {
      expired.push_back(std::move(it->second));
      it = asks_.erase(it);
    } else {
      ++it;
    }
  }
}

tandem::detail::completion_ptr<void> remote_peer::when_up() {
  // One share for us, one for the caller.
  auto* const made = new tandem::detail::completion_of<void, a_connection>;
  tandem::detail::completion_ptr<void> mine(made);
  tandem::detail::completion_ptr<void> callers(made);
  const std::lock_guard hold(lock_);
  if (connected_) return {};
  if (closed_) {
    made->complete(fail(errc::closed, "this node has left the cluster"));
    return callers;
  }
  awaiting_connection_.push_back(std::move(mine));
  return callers;
}

void remote_peer::forget(const tandem::detail::completion_base& waiter) {
  const std::lock_guard hold(lock_);
  std::erase_if(awaiting_connection_, [&](const auto& w) { return w.get() == &waiter; });  // the caller has a share
}

void remote_peer::close() {
  std::vector<tandem::detail::completion_ptr<void>> waiting;
  {
    const std::lock_guard hold(lock_);
    closed_ = true;
    waiting.swap(awaiting_connection_);
  }
  for (auto& w : waiting) w.complete(fail(errc::closed, "this node has left the cluster"));
}

remote_target::remote_target(std::shared_ptr<node_core> core, remote_peer& link, std::uint64_t incarnation,
                             std::uint64_t actor_id, std::string actor_name, const actors::protocol_info& protocol)
    : core_(std::move(core)),
      link_(link),
      incarnation_(incarnation),
      actor_id_(actor_id),
      actor_name_(std::move(actor_name)),
      protocol_(protocol) {}

void remote_target::report_dead_letter(const actors::detail::envelope& message, const error& why) noexcept {
  actors::dead_letter letter;
  letter.reason = why;
  letter.target_id = actor_id_;
  letter.target_name = target_name();
  letter.message_type = message.type_name();
  core_->report(std::move(letter));
}

}  // namespace tandem::cluster::internal
