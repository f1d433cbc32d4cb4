#include <tandem/testing/actors.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <stdexcept>
#include <tuple>
#include <unordered_map>

#include <fmt/format.h>

#include <tandem/actors/detail/delivery_gate.hpp>
#include <tandem/actors/detail/watcher.hpp>
#include <tandem/runtime/detail/simulation.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/detail/worker.hpp>
#include <tandem/testing/probe.hpp>
#include <tandem/testing/test_framework.hpp>

namespace tandem::testing {

using actors::detail::envelope;
using actors::detail::envelope_ptr;
using actors::detail::held_at;
using actors::detail::lane;
using actors::detail::local_target;
using actors::detail::local_target_ptr;
using actors::detail::target;

namespace {

constexpr std::size_t named_in_failure = 10;

std::string name_of(const target& t) {
  std::string name = t.target_name();
  return name.empty() ? fmt::format("actor {}", t.id()) : name;
}

void fail_test(std::source_location where, const std::string& what) {
  test_framework_in_use().fail(fmt::format("{}:{}: {}", where.file_name(), where.line(), what));
}

}  // namespace

// What the stage knows of a message. It learns that one has come, not that one has gone without having been delivered;
// so each is looked for before it is used.
struct held_message {
  local_target_ptr to;  // so that a receiver out of reach waits for it
  envelope* message = nullptr;
  lane where = lane::normal;
  std::uint64_t sender = 0;  // of a task's record; 0 if none was running
  std::string from;
};

class actor_stage::gate final : public actors::detail::delivery_gate {
 public:
  using held = std::map<std::uint64_t, held_message>;  // by number

  explicit gate(std::uint32_t seed) noexcept : random_(seed * 2654435761U | 1U) {}

  void queued(local_target& to, envelope& message) noexcept override {
    if (closed_) return;
    held_message made{&to, &message, message.lane(), 0, {}};
    if (const auto* const worker = tandem::detail::tls_worker; worker && worker->current) {
      made.sender = worker->current->id;
      made.from = worker->current->name();
    }
    // The address may be that of one which has gone.
    const auto [at, fresh] = numbers_.try_emplace(&message, next_);
    if (!fresh) {
      held_.erase(at->second);
      at->second = next_;
    }
    held_.emplace(next_++, std::move(made));
  }

  void close() noexcept {
    closed_ = true;
    numbers_.clear();
    held dropped;  // outside of the map: an actor that ends may send
    dropped.swap(held_);
  }

  // Forgets what has gone.
  void look() {
    held gone;  // outside of the map, as above
    for (auto i = held_.begin(); i != held_.end();) {
      const auto next = std::next(i);
      if (find_held(*i->second.to, i->second.message) == held_at::nowhere) {
        numbers_.erase(i->second.message);
        gone.insert(held_.extract(i));
      }
      i = next;
    }
  }
  [[nodiscard]] static bool at_gate(const held_message& m) noexcept {
    return find_held(*m.to, m.message) == held_at::gate;
  }

  // What `to`, or the receiver of the oldest message, would handle first.
  held::iterator first(const target* to) {
    auto best = held_.end();
    for (auto i = held_.begin(); i != held_.end(); ++i) {
      if ((to && i->second.to.get() != to) || !at_gate(i->second)) continue;
      if (best == held_.end() || i->second.where < best->second.where) best = i;
      to = i->second.to.get();
    }
    return best;
  }

  // One that may come next in some real order.
  held::iterator any() {
    std::vector<held::iterator> possible;
    std::map<std::tuple<const target*, std::uint64_t>, lane> before;  // the earliest lane of an older one
    for (auto i = held_.begin(); i != held_.end(); ++i) {
      if (!at_gate(i->second)) continue;
      const auto [older, none] = before.try_emplace({i->second.to.get(), i->second.sender}, i->second.where);
      if (none || i->second.where < older->second) possible.push_back(i);
      older->second = std::min(older->second, i->second.where);
    }
    if (possible.empty()) return held_.end();
    random_ ^= random_ << 13;
    random_ ^= random_ >> 17;
    random_ ^= random_ << 5;
    return possible[random_ % possible.size()];
  }

  void deliver(held::iterator which) {
    numbers_.erase(which->second.message);
    const held_message m = std::move(held_.extract(which).mapped());
    (void)let_in(*m.to, m.message);
  }

  void lose(held::iterator which) {
    numbers_.erase(which->second.message);
    const held_message m = std::move(held_.extract(which).mapped());
    const envelope_ptr message = take_out(*m.to, m.message);
    if (message) undeliverable(*m.to, *message, make_error(errc::unavailable, "the test dropped the message"));
  }

  held::iterator find(std::uint64_t number) {
    const auto found = held_.find(number);
    return found != held_.end() && at_gate(found->second) ? found : held_.end();
  }
  [[nodiscard]] held::iterator none() noexcept { return held_.end(); }
  [[nodiscard]] const held& all() const noexcept { return held_; }

 private:
  bool closed_ = false;
  std::uint64_t next_ = 1;
  std::uint32_t random_;
  held held_;
  std::unordered_map<const envelope*, std::uint64_t> numbers_;
};

actor_stage::actor_stage(sim_runtime& sim, actors::system_options options)
    : sim_(sim), gate_(std::make_unique<gate>(sim.seed())), system_(sim, with_gate(std::move(options))) {}

actor_stage::~actor_stage() { gate_->close(); }

actors::system_options actor_stage::with_gate(actors::system_options options) noexcept {
  options.gate = gate_.get();
  return options;
}

std::vector<pending_message> actor_stage::pending() {
  sim_.run_until_idle();
  gate_->look();
  std::vector<pending_message> all;
  for (const auto& [number, m] : gate_->all())
    if (gate::at_gate(m)) all.push_back({number, m.from, m.to->target_name(), m.to->id(), m.message->type_name()});
  return all;
}

envelope* actor_stage::first_for(const target* to) {
  sim_.run_until_idle();
  if (!to) return nullptr;
  const auto first = gate_->first(to);
  return first == gate_->none() ? nullptr : first->second.message;
}

bool actor_stage::deliver_next() {
  sim_.run_until_idle();
  const auto first = gate_->first(nullptr);
  if (first == gate_->none()) return false;
  gate_->deliver(first);
  sim_.run_until_idle();
  return true;
}

bool actor_stage::deliver_first(const target* to) {
  sim_.run_until_idle();
  if (!to) return false;
  const auto first = gate_->first(to);
  if (first == gate_->none()) return false;
  gate_->deliver(first);
  sim_.run_until_idle();
  return true;
}

bool actor_stage::deliver(const pending_message& which) {
  sim_.run_until_idle();
  const auto found = gate_->find(which.number);
  if (found == gate_->none()) return false;
  gate_->deliver(found);
  sim_.run_until_idle();
  return true;
}

std::size_t actor_stage::deliver_many(std::size_t limit, bool shuffled, std::source_location where) {
  std::size_t delivered = 0;
  for (;;) {
    sim_.run_until_idle();
    const auto next = shuffled ? gate_->any() : gate_->first(nullptr);
    if (next == gate_->none()) break;
    if (delivered == limit) {
      fail_test(where, fmt::format("after {} messages there are still some to deliver: {}", limit, describe(nullptr)));
      break;
    }
    gate_->deliver(next);
    ++delivered;
  }
  gate_->look();
  sim_.run_until_idle();
  return delivered;
}

std::size_t actor_stage::deliver_all(std::size_t limit, std::source_location where) {
  return deliver_many(limit, false, where);
}
std::size_t actor_stage::deliver_all_shuffled(std::size_t limit, std::source_location where) {
  return deliver_many(limit, true, where);
}

bool actor_stage::drop(const pending_message& which) {
  sim_.run_until_idle();
  const auto found = gate_->find(which.number);
  if (found == gate_->none()) return false;
  gate_->lose(found);
  sim_.run_until_idle();
  return true;
}

std::string actor_stage::describe(const target* to) {
  std::string text;
  std::size_t listed = 0;
  for (const pending_message& m : pending()) {
    if (to && m.to_id != to->id()) continue;
    if (++listed > named_in_failure) continue;
    text += fmt::format("{}{} from {} to {}", listed > 1 ? ", " : "", m.type, m.from.empty() ? "the test" : m.from,
                        m.to.empty() ? fmt::format("actor {}", m.to_id) : m.to);
  }
  if (listed == 0) return "nothing";
  if (listed > named_in_failure) text += fmt::format(" and {} more", listed - named_in_failure);
  return text;
}

void actor_stage::unexpected(const target* to, const std::string& wanted, std::source_location where) {
  if (!to) return fail_test(where, fmt::format("{} was expected for an empty ref", wanted));
  const envelope* const first = first_for(to);
  fail_test(where, fmt::format("{} was expected for {}, which would get {}; pending for it: {}", wanted, name_of(*to),
                               first ? first->type_name() : "nothing", describe(to)));
}

bool actor_stage::expect_none(std::source_location where) { return none_for(nullptr, where); }

bool actor_stage::none_for(const target* to, std::source_location where) {
  sim_.run_until_idle();
  if (gate_->first(to) == gate_->none()) return true;
  fail_test(where, fmt::format("nothing was expected to be pending: {}", describe(to)));
  return false;
}

namespace {

class end_watcher final : public actors::detail::watcher {
 public:
  void told(const actors::down& what) noexcept override { seen = what; }
  std::optional<actors::down> seen;
};

}  // namespace

std::optional<actors::down> actor_stage::end_of(target* who) {
  sim_.run_until_idle();
  if (!who) return std::nullopt;
  auto* const watcher = new end_watcher;
  if (who->watch(*watcher) && !watcher->seen) who->unwatch(*watcher);
  auto seen = std::move(watcher->seen);
  watcher->release();
  return seen;
}

std::optional<actors::down> actor_stage::wait_for_end(target* who, std::source_location where) {
  if (!who) {
    fail_test(where, "an empty ref never ends");
    return std::nullopt;
  }
  const actors::detail::target_ptr kept(who);
  for (;;) {
    if (auto end = end_of(who)) return end;
    if (deliver_next()) continue;
    const time_point next = tandem::detail::next_timer(sim_.core());
    if (next == no_deadline) break;
    sim_.advance(next - sim_.now());
  }
  fail_test(where, fmt::format("{} does not end: nothing is pending, and no timer", name_of(*who)));
  return std::nullopt;
}

void stage_detail::nothing_to_take(const std::string& who, const std::string& wanted, const std::string& got) {
  throw std::runtime_error(fmt::format("{} was to take {}, but has {}", who, wanted, got));
}

}  // namespace tandem::testing
