#include <tandem/actors/detail/router_target.hpp>

#include <algorithm>
#include <mutex>
#include <new>
#include <stdexcept>

namespace tandem::actors::detail {
namespace {

// Actors count from 1: the ids of routers, which CAF does not know, are elsewhere.
std::uint64_t next_router_id() noexcept {
  static std::atomic<std::uint64_t> last{std::uint64_t{1} << 63};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

std::uint64_t lowest_free_place(const routee_list& list) {
  std::vector<bool> taken(list.size());
  for (const routee& r : list)
    if (r.place < taken.size()) taken[r.place] = true;
  return static_cast<std::uint64_t>(std::find(taken.begin(), taken.end(), false) - taken.begin());
}

bool contains(const routee_list& list, const target& which) noexcept {
  return std::any_of(list.begin(), list.end(), [&](const routee& r) { return r.to.get() == &which; });
}

}  // namespace

error no_routees(const error& last) {
  static const error none = make_error(errc::unavailable, "the router has no routees");
  if (last) return wrap(last, errc::unavailable, "the router has no routees left");
  return none;
}

router_target::router_target(const protocol_info& takes, std::string name)
    : id_(next_router_id()), name_(std::move(name)), protocol_(takes) {}

std::size_t router_target::depth() const noexcept {
  std::size_t all = 0;
  const auto now = routees();
  for (const routee& r : *now) all += r.to->depth();
  return all;
}

void router_target::report_dead_letter(const envelope& message, const error& why) noexcept {
  const auto now = routees();
  if (!now->empty()) now->front().to->report_dead_letter(message, why);
}

bool router_target::reaches(const target& to) const {
  const auto now = routees();
  return std::any_of(now->begin(), now->end(), [&](const routee& r) {
    const auto* const inner = dynamic_cast<const router_target*>(r.to.get());
    return r.to.get() == &to || (inner && inner->reaches(to));
  });
}

bool router_target::add(routee added) {
  static std::mutex nesting;  // two routers that are added to each other at once must not both find it harmless
  std::unique_lock<std::mutex> one_at_a_time;
  if (const auto* const inner = dynamic_cast<const router_target*>(added.to.get())) {
    one_at_a_time = std::unique_lock(nesting);
    if (inner == this || inner->reaches(*this))
      throw std::logic_error(
          "tandem: a router was added to itself, or to one that it sends to; its messages would go round for ever");
  }
  if (contains(*routees(), *added.to)) return false;
  prepare(added);
  bool is_new = false;
  routees_.update([&](routee_list& list) {
    is_new = !contains(list, *added.to);
    if (!is_new) return;
    added.place = lowest_free_place(list);
    list.push_back(std::move(added));
  });
  return is_new;
}

bool router_target::remove(const target& gone) {
  if (!contains(*routees(), gone)) return false;
  bool found = false;
  std::shared_ptr<subscriber_state> subscriber;
  routees_.update([&](routee_list& list) {
    const auto at = std::find_if(list.begin(), list.end(), [&](const routee& r) { return r.to.get() == &gone; });
    found = at != list.end();
    if (!found) return;
    subscriber = at->subscriber;
    list.erase(at);
  });
  if (found && subscriber) parted_with(*subscriber);
  return found;
}

bool router_target::has(const subscriber_state& one) const {
  const auto now = routees();
  return std::any_of(now->begin(), now->end(), [&](const routee& r) { return r.subscriber.get() == &one; });
}

void router_target::forget(subscriber_state& gone) noexcept {
  try {
    if (!has(gone)) return;
    routees_.update([&](routee_list& list) {
      std::erase_if(list, [&](const routee& r) { return r.subscriber.get() == &gone; });
    });
  } catch (const std::bad_alloc&) {
  }
  parted_with(gone);
}

void router_target::take_out(const target& gone) noexcept {
  try {
    (void)remove(gone);
  } catch (const std::bad_alloc&) {
  }
}

std::size_t choosing_router::waits_at(const routee_list& list, const envelope&) noexcept {
  return waits_.fetch_add(1, std::memory_order_relaxed) % list.size();
}

choosing_router::waiting_place choosing_router::place_for(const envelope& message) noexcept {
  for (;;) {
    target_ptr chosen;
    {
      const auto now = routees();
      if (now->empty()) return {};
      chosen = (*now)[waits_at(*now, message)].to;
    }
    auto* const inner = dynamic_cast<choosing_router*>(chosen.get());
    if (!inner) return {std::move(chosen), target_ptr(this)};
    if (waiting_place found = inner->place_for(message); found.to) return found;
    take_out(*chosen);
  }
}

room_waiter::phase choosing_router::wait_for_room(room_waiter& w) noexcept {
  using phase = room_waiter::phase;
  error last;
  for (std::size_t refusals = 0;;) {
    const waiting_place place = place_for(*w.message);
    {
      const std::lock_guard hold(lock_);
      if (w.state == phase::cancelled) return phase::cancelled;
      if (!place.to) {
        w.why = no_routees(last);
        return w.state = phase::failed;
      }
      place.to->retain();
      w.at = place.to.get();
    }
    const phase reached = place.to->wait_for_room(w);
    if (reached != phase::failed) return reached;  // the waiter may be gone by now (V2)

    target* was = nullptr;
    bool withdrawn = false;
    last = std::move(w.why);
    const bool dead = last.code() == errc::unavailable;
    // A pool that lets nobody wait; if all are like that, it has been everybody's turn.
    const bool refused = last.code() == errc::overloaded && ++refusals < routees()->size();
    {
      const std::lock_guard hold(lock_);
      was = std::exchange(w.at, nullptr);
      withdrawn = was == this;
      if (withdrawn) {
        w.state = phase::cancelled;
      } else if (dead || refused) {
        w.state = phase::fresh;
      } else {
        w.why = last;
      }
    }
    was->release();
    if (withdrawn) return phase::cancelled;
    if (!dead && !refused) return phase::failed;  // the message's own fault, or there is no room at all
    if (dead) static_cast<choosing_router&>(*place.of).take_out(*place.to);
  }
}

bool choosing_router::cancel_wait(room_waiter& w) noexcept {
  target_ptr at;
  {
    const std::lock_guard hold(lock_);
    if (!w.at) {
      if (w.state == room_waiter::phase::fresh) w.state = room_waiter::phase::cancelled;
      return false;
    }
    if (w.at == this) return false;
    at = target_ptr(w.at);
    w.at->release();  // not the last share
    retain();
    w.at = this;
  }
  return at->cancel_wait(w);
}

}  // namespace tandem::actors::detail
