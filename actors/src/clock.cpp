#include "clock.hpp"

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/simulation.hpp>
#include <tandem/runtime/detail/sync.hpp>
#include <tandem/runtime/detail/timer.hpp>

namespace tandem::actors::detail {
namespace {

using tandem::detail::job;
using tandem::detail::timer_node;

constexpr std::size_t few_requests = 32;       // not worth looking which of them are answered
constexpr std::size_t delivered_at_once = 64;  // letters, between two looks at who else waits for the lock

constinit thread_local std::uint64_t turns = 0;

// CAF keeps these from everybody but its actors.
struct peephole : caf::scheduled_actor {
  static auto awaited() { return &peephole::awaited_responses_; }
  static auto multiplexed() { return &peephole::multiplexed_responses_; }
};

// The responses an actor has handlers for. Threads: the actor's.
class expected_responses {
 public:
  explicit expected_responses(const caf::scheduled_actor& self) {
    for (const auto& awaited : self.*peephole::awaited()) ids_.push_back(awaited.first.integer_value());
    for (const auto& multiplexed : self.*peephole::multiplexed()) ids_.push_back(multiplexed.first.integer_value());
    std::ranges::sort(ids_);
  }
  [[nodiscard]] bool contains(std::uint64_t id) const { return std::ranges::binary_search(ids_, id); }

 private:
  std::vector<std::uint64_t> ids_;
};

}  // namespace

void clock::begin_turn() noexcept { ++turns; }

/// A timer for whatever comes first.
struct clock::bell : timer_node, job {
  bell(clock& c, void (*look)(job&) noexcept) noexcept
      : timer_node([](timer_node& node) noexcept -> job* {
          auto& fired = static_cast<bell&>(node);
          fired.has_fired = true;
          fired.owner.jobs_.fetch_add(1, std::memory_order_relaxed);  // cancel_all() disarms the timer, then looks
          return &fired;
        }),
        job(look),
        owner(c) {}

  clock& owner;
  bool has_fired = false;              // L3; written under the heap's lock, read after disarm_timer(), or by the job
  time_point armed_for = no_deadline;  // guarded by the shard's lock; no_deadline if it is not armed
};

/// What one actor waits for.
struct clock::alarms final : tandem::detail::pooled, bell {
  struct request {
    time_point when;
    std::uint64_t id;
    std::uint64_t made_in;  // see stamp()
    bool operator>(const request& other) const noexcept {
      return when != other.when ? when > other.when : id > other.id;
    }
  };
  struct timeout {
    time_point when;
    caf::atom_value type;
    std::uint64_t id;
    bool only_one;
  };

  alarms(clock& c, caf::abstract_actor* actor)
      : bell(c, &look_at_alarms), self(actor->ctrl()), scheduled(dynamic_cast<caf::scheduled_actor*>(actor)) {}

  void add(request r) {
    if (requests.size() >= prune_at) prune();
    requests.push_back(r);
    std::ranges::push_heap(requests, std::greater());
  }

  // What tells messages apart that the actor handles, as far as needed: of two that are taken for the same, a request
  // made in the first is kept longer than it need be.
  [[nodiscard]] std::uint64_t stamp() const noexcept {
    if (!scheduled) return 0;
    return reinterpret_cast<std::uintptr_t>(scheduled->current_mailbox_element()) ^ turns << 48;
  }

  // A request made while the actor handled an earlier message has a handler, or was answered. (Or the actor keeps the
  // handle to ask for a handler later; CAF would drop an answer that came meanwhile, and so its time-out is dropped.)
  void prune() {
    if (scheduled) {
      const expected_responses expected(*scheduled);
      const std::uint64_t current = stamp();
      std::erase_if(requests, [&](const request& r) { return r.made_in != current && !expected.contains(r.id); });
      std::ranges::make_heap(requests, std::greater());
    }
    prune_at = std::max(few_requests, 2 * requests.size());
    if (requests.capacity() > 4 * prune_at) requests.shrink_to_fit();
  }

  [[nodiscard]] bool empty() const noexcept { return requests.empty() && timeouts.empty(); }
  [[nodiscard]] time_point earliest() const noexcept {
    time_point first = requests.empty() ? no_deadline : requests.front().when;
    for (const timeout& t : timeouts) first = std::min(first, t.when);
    return first;
  }

  const caf::strong_actor_ptr self;       // as in CAF, a time-out keeps its actor alive
  caf::scheduled_actor* const scheduled;  // the same, or null: a blocking actor does not tell what it expects
  std::vector<request> requests;          // a heap
  std::vector<timeout> timeouts;          // few
  std::size_t prune_at = few_requests;
  bool withdrawn = false;  // guarded by the shard's lock
};

/// A delayed message.
struct clock::letter {
  time_point when;
  caf::strong_actor_ptr receiver;  // of an element; the sender of a group's
  caf::mailbox_element_ptr element;
  caf::group group;
  caf::message content;
  std::uint64_t number = 0;

  bool operator>(const letter& other) const noexcept {
    return when != other.when ? when > other.when : number > other.number;
  }
  void deliver() {
    if (element) {
      receiver->enqueue(std::move(element), nullptr);
    } else {
      group->eq_impl(caf::make_message_id(), std::move(receiver), nullptr, std::move(content));
    }
  }
};

struct clock::shard : bell {
  explicit shard(clock& c) noexcept : bell(c, &look_at_letters) {}

  std::mutex lock;
  std::unordered_map<caf::actor_id, alarms*> waiting;  // guarded by lock
  std::atomic<std::size_t> size{0};  // of `waiting`, written under lock; an actor sees what it added itself
  std::vector<letter> letters;       // guarded by lock; a heap
  std::uint64_t letters_so_far = 0;  // guarded by lock
};

clock::clock(tandem::detail::scheduler& core) : core_(core) {
  for (auto& s : shards_) s = std::make_unique<shard>(*this);
}

clock::~clock() { clock::cancel_all(); }

clock::time_point clock::now() const noexcept { return clock_of(core_); }

void clock::arm(bell& b, time_point when) {
  if (b.armed_for <= when) return;
  if (disarm(b)) return;  // its job will
  arm_timer(core_, b, when);
  b.armed_for = when;
}

// True if its job is on the way.
bool clock::disarm(bell& b) noexcept {
  if (b.armed_for == no_deadline) return false;  // the scheduler may have ended
  disarm_timer(b);
  if (!b.has_fired) b.armed_for = no_deadline;
  return b.has_fired;
}

// Alarms.

clock::alarms* clock::find(shard& s, caf::actor_id id) noexcept {
  const auto found = s.waiting.find(id);
  return found == s.waiting.end() ? nullptr : found->second;
}

clock::alarms& clock::alarms_of(shard& s, caf::abstract_actor* self) {
  if (alarms* const known = find(s, self->id())) return *known;
  auto made = std::make_unique<alarms>(*this, self);
  s.waiting.emplace(self->id(), made.get());
  s.size.store(s.waiting.size(), std::memory_order_relaxed);
  return *made.release();
}

// Gives what the caller is to destroy without the lock, as it may hold the actor's last reference: nothing if its job
// is on the way (L3).
std::unique_ptr<clock::alarms> clock::withdraw(shard& s, alarms& a) noexcept {
  s.waiting.erase(a.self->id());
  s.size.store(s.waiting.size(), std::memory_order_relaxed);
  a.withdrawn = true;
  return std::unique_ptr<alarms>(disarm(a) ? nullptr : &a);
}

std::unique_ptr<clock::alarms> clock::withdraw_if_empty(shard& s, alarms& a) noexcept {
  return a.empty() ? withdraw(s, a) : nullptr;
}

void clock::set_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type, uint64_t id, bool only_one) {
  shard& s = shard_of(self->id());
  const std::lock_guard hold(s.lock);
  alarms& a = alarms_of(s, self);
  const alarms::timeout made{when, type, id, only_one};
  const auto same = std::ranges::find_if(
      a.timeouts, [&](const alarms::timeout& t) { return only_one && t.only_one && t.type == type; });
  if (same == a.timeouts.end()) {
    a.timeouts.push_back(made);
  } else {
    *same = made;
  }
  arm(a, when);
}

void clock::set_ordinary_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type, uint64_t id) {
  set_timeout(when, self, type, id, true);
}

void clock::set_multi_timeout(time_point when, caf::abstract_actor* self, caf::atom_value type, uint64_t id) {
  set_timeout(when, self, type, id, false);
}

void clock::set_request_timeout(time_point when, caf::abstract_actor* self, caf::message_id id) {
  shard& s = shard_of(self->id());
  const std::lock_guard hold(s.lock);
  alarms& a = alarms_of(s, self);
  a.add({when, id.integer_value(), a.stamp()});
  arm(a, when);
}

void clock::cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) {
  std::unique_ptr<alarms> dropped;
  shard& s = shard_of(self->id());
  const std::lock_guard hold(s.lock);
  alarms* const a = find(s, self->id());
  if (!a) return;
  std::erase_if(a->timeouts, [type](const alarms::timeout& t) { return t.only_one && t.type == type; });
  dropped = withdraw_if_empty(s, *a);
}

void clock::cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) {
  std::unique_ptr<alarms> dropped;
  shard& s = shard_of(self->id());
  const std::lock_guard hold(s.lock);
  alarms* const a = find(s, self->id());
  if (!a) return;
  std::erase_if(a->requests, [id](const alarms::request& r) { return r.id == id.integer_value(); });
  std::ranges::make_heap(a->requests, std::greater());
  dropped = withdraw_if_empty(s, *a);
}

void clock::cancel_timeouts(caf::abstract_actor* self) {
  shard& s = shard_of(self->id());
  if (s.size.load(std::memory_order_relaxed) == 0) return;
  std::unique_ptr<alarms> dropped;
  const std::lock_guard hold(s.lock);
  if (alarms* const a = find(s, self->id())) dropped = withdraw(s, *a);
}

void clock::forget_answered() noexcept {
  for (auto& s : shards_) {
    std::vector<std::unique_ptr<alarms>> dropped;  // outside of the lock, both
    std::vector<caf::scheduled_actor*> woken;
    {
      const std::lock_guard hold(s->lock);
      std::vector<alarms*> lonely;
      for (const auto& [id, a] : s->waiting)
        if (a->scheduled && a->self->strong_refs == 1 && !a->scheduled->getf(caf::abstract_actor::is_detached_flag))
          lonely.push_back(a);
      for (alarms* const a : lonely) {
        // Whoever wakes an actor has it for himself, and does what CAF's resume() would until it sleeps again.
        if (!a->scheduled->mailbox().try_unblock()) continue;
        begin_turn();
        a->prune();
        if (!a->scheduled->mailbox().try_block()) {  // a weak handle was used to send to it
          caf::intrusive_ptr_add_ref(a->self.get());
          woken.push_back(a->scheduled);
        }
        if (a->empty()) dropped.push_back(withdraw(*s, *a));
      }
    }
    for (caf::scheduled_actor* const a : woken) a->home_system().scheduler().enqueue(a);
  }
}

void clock::look_at_alarms(job& j) noexcept {
  auto& a = static_cast<alarms&>(j);
  clock& self = a.owner;
  std::vector<alarms::request> requests;
  std::vector<alarms::timeout> timeouts;
  caf::strong_actor_ptr receiver;
  std::unique_ptr<alarms> dropped;
  {
    shard& s = self.shard_of(a.self->id());
    const std::lock_guard hold(s.lock);
    if (a.withdrawn) {
      dropped.reset(&a);
    } else {
      a.has_fired = false;
      a.armed_for = no_deadline;
      receiver = a.self;
      const time_point now = self.now();
      while (!a.requests.empty() && a.requests.front().when <= now) {
        std::ranges::pop_heap(a.requests, std::greater());
        requests.push_back(a.requests.back());
        a.requests.pop_back();
      }
      std::erase_if(a.timeouts, [&](const alarms::timeout& t) {
        if (t.when > now) return false;
        timeouts.push_back(t);
        return true;
      });
      dropped = withdraw_if_empty(s, a);
      if (!dropped) self.arm(a, a.earliest());
    }
  }
  dropped.reset();
  for (const auto& r : requests)
    receiver->get()->eq_impl(caf::message_id(r.id), receiver, nullptr, caf::make_error(caf::sec::request_timeout));
  for (const auto& t : timeouts)
    receiver->get()->eq_impl(caf::make_message_id(), receiver, nullptr, caf::timeout_msg{t.type, t.id});
  receiver.reset();
  self.job_is_over();
}

// Letters.

void clock::post(std::uint64_t receiver, letter what) {
  shard& s = shard_of(receiver);
  const std::lock_guard hold(s.lock);
  const time_point when = what.when;
  what.number = s.letters_so_far++;
  s.letters.push_back(std::move(what));
  std::ranges::push_heap(s.letters, std::greater());
  arm(s, when);
}

void clock::schedule_message(time_point when, caf::strong_actor_ptr receiver, caf::mailbox_element_ptr content) {
  const caf::actor_id id = receiver->id();
  post(id, {when, std::move(receiver), std::move(content), {}, {}});
}

void clock::schedule_message(time_point when, caf::group receiver, caf::strong_actor_ptr sender, caf::message content) {
  const auto number = reinterpret_cast<std::uintptr_t>(receiver.get()) / alignof(std::max_align_t);
  post(number, {when, std::move(sender), nullptr, std::move(receiver), std::move(content)});
}

void clock::look_at_letters(job& j) noexcept {
  auto& s = static_cast<shard&>(j);
  clock& self = s.owner;
  std::vector<letter> due;
  for (bool more = true; more;) {
    {
      const std::lock_guard hold(s.lock);
      s.has_fired = false;
      s.armed_for = no_deadline;
      const time_point now = self.now();
      while (!s.letters.empty() && s.letters.front().when <= now && due.size() < delivered_at_once) {
        std::ranges::pop_heap(s.letters, std::greater());
        due.push_back(std::move(s.letters.back()));
        s.letters.pop_back();
      }
      more = due.size() == delivered_at_once;
      if (!more && !s.letters.empty()) self.arm(s, s.letters.front().when);
    }
    for (letter& l : due) l.deliver();
    due.clear();
  }
  self.job_is_over();
}

void clock::job_is_over() noexcept { jobs_.fetch_sub(1, std::memory_order_release); }

void clock::cancel_all() {
  for (auto& s : shards_) {
    std::vector<std::unique_ptr<alarms>> dropped;  // outside of the lock, as above
    std::vector<letter> lost;
    const std::lock_guard hold(s->lock);
    while (!s->waiting.empty()) dropped.push_back(withdraw(*s, *s->waiting.begin()->second));
    lost.swap(s->letters);
    (void)disarm(*s);
  }
  // L3. Acquire: pairs with the release in job_is_over().
  while (jobs_.load(std::memory_order_acquire) != 0) tandem::detail::sync::thread_yield();
}

}  // namespace tandem::actors::detail
