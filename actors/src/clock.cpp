#include "clock.hpp"

#include <vector>

#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/simulation.hpp>
#include <tandem/runtime/detail/timer.hpp>

namespace tandem::actors::detail {

using tandem::detail::job;
using tandem::detail::timer_node;

struct clock::timeout final : tandem::detail::pooled, timer_node, job {
  enum class kind : std::uint8_t { ordinary, multi, request, message, group_message };

  timeout(clock& c, kind k, caf::actor_id actor)
      : timer_node([](timer_node& node) noexcept -> job* {
          auto& fired = static_cast<timeout&>(node);
          fired.has_fired = true;
          return &fired;
        }),
        job([](job& j) noexcept {
          auto& due = static_cast<timeout&>(j);
          due.owner.fired(due);
        }),
        owner(c),
        what(k),
        key(actor) {}

  clock& owner;
  const kind what;
  const caf::actor_id key;
  bool has_fired = false;  // written under the heap's lock; a canceller reads it after disarm_timer()
  bool cancelled = false;  // guarded by the shard's lock
  caf::strong_actor_ptr self;  // as in CAF, a time-out keeps its actor alive
  caf::atom_value type{};
  uint64_t id = 0;
  caf::strong_actor_ptr receiver;  // of a message; the sender of a group's
  caf::mailbox_element_ptr element;
  caf::group group;
  caf::message content;

  void deliver() noexcept {
    switch (what) {
      case kind::message:
        receiver->enqueue(std::move(element), nullptr);
        return;
      case kind::group_message:
        group->eq_impl(caf::make_message_id(), std::move(receiver), nullptr, std::move(content));
        return;
      default:
        break;
    }
    if (what == kind::request) {
      self->get()->eq_impl(caf::message_id(id), self, nullptr, caf::make_error(caf::sec::request_timeout));
    } else {
      self->get()->eq_impl(caf::make_message_id(), self, nullptr, caf::timeout_msg{type, id});
    }
  }
};

clock::time_point clock::now() const noexcept { return clock_of(core_); }

void clock::add(time_point when, std::unique_ptr<timeout> what) {
  timeout* const t = what.get();
  shard& s = shard_of(t->key);
  const std::lock_guard hold(s.lock);  // also keeps fired() away until the timer is armed
  s.pending.emplace(t->key, what.release());
  s.size.store(s.pending.size(), std::memory_order_relaxed);
  arm_timer(core_, *t, when);
}

// Under the shard's lock: takes the timer's side out. Null if its job is on the way and will free it (L2).
std::unique_ptr<clock::timeout> clock::withdraw(timeout* what) noexcept {
  disarm_timer(*what);
  what->cancelled = true;
  return std::unique_ptr<timeout>(what->has_fired ? nullptr : what);
}

template <class Predicate>
void clock::cancel_if(shard& s, caf::actor_id id, Predicate matches) {
  std::vector<std::unique_ptr<timeout>> dropped;  // outside of the lock: they may hold the last reference of an actor
  const std::lock_guard hold(s.lock);
  const auto range = s.pending.equal_range(id);
  for (auto i = range.first; i != range.second;) {
    if (matches(*i->second)) {
      dropped.push_back(withdraw(i->second));
      i = s.pending.erase(i);
    } else {
      ++i;
    }
  }
  s.size.store(s.pending.size(), std::memory_order_relaxed);
}

void clock::fired(timeout& what) noexcept {
  const std::unique_ptr<timeout> owned(&what);
  {
    shard& s = shard_of(what.key);
    const std::lock_guard hold(s.lock);
    if (what.cancelled) return;
    const auto range = s.pending.equal_range(what.key);
    for (auto i = range.first; i != range.second; ++i) {
      if (i->second != &what) continue;
      s.pending.erase(i);
      break;
    }
    s.size.store(s.pending.size(), std::memory_order_relaxed);
  }
  what.deliver();
}

void clock::set_ordinary_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type, uint64_t id) {
  cancel_ordinary_timeout(self, type);
  auto made = std::make_unique<timeout>(*this, timeout::kind::ordinary, self->id());
  made->self = caf::strong_actor_ptr(self->ctrl());
  made->type = type;
  made->id = id;
  add(when, std::move(made));
}

void clock::set_multi_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type, uint64_t id) {
  auto made = std::make_unique<timeout>(*this, timeout::kind::multi, self->id());
  made->self = caf::strong_actor_ptr(self->ctrl());
  made->type = type;
  made->id = id;
  add(when, std::move(made));
}

void clock::set_request_timeout(time_point when, caf::abstract_actor* self, caf::message_id id) {
  auto made = std::make_unique<timeout>(*this, timeout::kind::request, self->id());
  made->self = caf::strong_actor_ptr(self->ctrl());
  made->id = id.integer_value();
  add(when, std::move(made));
}

void clock::cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) {
  cancel_if(shard_of(self->id()), self->id(),
            [type](const timeout& t) { return t.what == timeout::kind::ordinary && t.type == type; });
}

void clock::cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) {
  cancel_if(shard_of(self->id()), self->id(), [id](const timeout& t) {
    return t.what == timeout::kind::request && t.id == id.integer_value();
  });
}

void clock::cancel_timeouts(caf::abstract_actor* self) {
  shard& s = shard_of(self->id());
  if (s.size.load(std::memory_order_relaxed) == 0) return;
  cancel_if(s, self->id(), [](const timeout&) { return true; });
}

void clock::schedule_message(time_point when, caf::strong_actor_ptr receiver, caf::mailbox_element_ptr content) {
  auto made = std::make_unique<timeout>(*this, timeout::kind::message, 0);
  made->receiver = std::move(receiver);
  made->element = std::move(content);
  add(when, std::move(made));
}

void clock::schedule_message(time_point when, caf::group receiver, caf::strong_actor_ptr sender, caf::message content) {
  auto made = std::make_unique<timeout>(*this, timeout::kind::group_message, 0);
  made->group = std::move(receiver);
  made->receiver = std::move(sender);
  made->content = std::move(content);
  add(when, std::move(made));
}

void clock::cancel_all() {
  for (shard& s : shards_) {
    std::vector<std::unique_ptr<timeout>> dropped;  // outside of the lock, as above
    const std::lock_guard hold(s.lock);
    for (auto& [id, t] : s.pending) dropped.push_back(withdraw(t));
    s.pending.clear();
    s.size.store(0, std::memory_order_relaxed);
  }
}

}  // namespace tandem::actors::detail
