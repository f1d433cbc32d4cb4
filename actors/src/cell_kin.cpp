// cell: its children and its parent, and who watches whom.
#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "cell.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {

bool cell::add_child(cell& child) noexcept {
  extras& mine = more();
  extras& its = child.more();
  const std::lock_guard hold_lock(mine.lock);
  if (mine.childless_for_good || too_late_for_children_.load(std::memory_order_seq_cst)) return false;  // C8
  mine.children.fetch_add(1, std::memory_order_relaxed);  // by who reaches the parent
  hold();
  its.parent = this;
  its.parent_id = id_;
  its.next_sibling = mine.first_child;
  if (mine.first_child) mine.first_child->extras_or_null()->previous_sibling = &child;
  mine.first_child = &child;
  return true;
}

// Under the lock.
std::vector<cell*> cell::held_children(extras& e) noexcept {
  std::vector<cell*> children;
  for (cell* c = e.first_child; c; c = c->extras_or_null()->next_sibling) {
    c->hold();  // it leaves the list before its life ends
    children.push_back(c);
  }
  return children;
}

// Of an object that was never finished.
void cell::end_children(const error& why) noexcept {
  extras& e = *extras_or_null();
  std::vector<cell*> children;
  {
    const std::lock_guard hold_lock(e.lock);
    children = held_children(e);
  }
  for (cell* const c : children) {
    c->request_exit(why, true, true);
    c->unhold();
  }
}

// True if there are some, or errands: the last will start a turn.
bool cell::stop_children() noexcept {
  extras* const e = extras_unless_late(too_late_for_children_);
  if (!e) return false;
  std::vector<cell*> children;
  std::optional<cancel_source> errands;
  error why;
  {
    const std::lock_guard hold_lock(e->lock);
    e->childless_for_good = true;
    if (e->children.load(std::memory_order_relaxed) == 0) return false;
    children = held_children(*e);
    if (contexts_) errands = contexts_->own;
    why = make_error(errc::cancelled, "the actor it belongs to has ended");
    // Once the lock is released, nothing of this cell is touched any more (C2): errors that are made from here on must
    // not ask for the name of what runs.
    set_running(*tandem::detail::tls_worker, nullptr);
  }
  if (errands) errands->cancel(why);
  for (cell* const c : children) {
    c->request_exit(why, true, true);
    c->unhold();
  }
  return true;
}

void cell::leave_parent() noexcept {
  extras& mine = *extras_or_null();
  cell* const parent = mine.parent;
  if (!parent) return;
  extras& its = *parent->extras_or_null();
  bool last;
  bool ends;
  {
    const std::lock_guard hold_lock(its.lock);
    (mine.previous_sibling ? mine.previous_sibling->extras_or_null()->next_sibling : its.first_child) =
        mine.next_sibling;
    if (mine.next_sibling) mine.next_sibling->extras_or_null()->previous_sibling = mine.previous_sibling;
    mine.parent = nullptr;
    // Release: who falls asleep sees that there are none only after this one has ended.
    last = its.children.fetch_sub(1, std::memory_order_release) == 1;
    ends = last && its.childless_for_good;
  }
  if (last) parent->is_childless(ends);
  parent->unhold();
}

void cell::is_childless(bool for_good) noexcept {
  if (for_good) {
    schedule();  // C5
  } else {
    look_whether_reached(false);
  }
}

// Watching.

bool cell::watch(watcher& w) noexcept {
  watcher_list& all = more().watchers;
  const bool added = all.add(w);
  if (!added || (too_late_to_watch_.load(std::memory_order_seq_cst) && all.remove(w)))  // C8
    w.told({id_, target_name(), reason_});
  return true;
}

bool cell::unwatch(watcher& w) noexcept {
  extras* const e = extras_or_null();
  return e && e->watchers.remove(w);
}

namespace {

// Passes an end on to an actor. It has a hold, not a ref, so that watching keeps nobody alive; and it does not look in
// the system's table, where the actor is not yet while its constructor runs.
class actor_watcher final : public watcher {
 public:
  explicit actor_watcher(cell& whose) noexcept : whose_(whose) { whose_.hold(); }
  void told(const down& what) noexcept override { whose_.tell_down(what); }

 private:
  ~actor_watcher() override { whose_.unhold(); }

  cell& whose_;
};

}  // namespace

result<void> cell::watch_from_here(target& whom) {
  auto* const other = dynamic_cast<cell*>(&whom);
  if (!other || &other->home_ != &home_)
    return fail(errc::unimplemented, "only actors of the same system can be watched");
  if (other == this) return fail(errc::invalid_argument, "an actor cannot watch itself: it would not be there to be told");
  extras& mine = more();
  auto* const by = new actor_watcher(*this);
  bool added = false;
  {
    const std::lock_guard hold_lock(mine.lock);
    if (std::ranges::none_of(mine.watching, [&](const watched& w) { return w.id == other->id_; })) {
      mine.watching.push_back({other->id_, by});
      by->retain();
      added = true;
    }
  }
  if (added) other->watch(*by);
  by->release();
  return {};
}

bool cell::unwatch_from_here(const target& whom) noexcept {
  const auto* const other = dynamic_cast<const cell*>(&whom);
  if (!other || &other->home_ != &home_) return false;  // ids of other systems and nodes are those of other actors here
  extras* const mine = extras_or_null();
  if (!mine) return false;
  watcher* by;
  {
    const std::lock_guard hold_lock(mine->lock);
    by = take_watched(*mine, other->id_);
  }
  if (!by) return false;
  if (const local_target_ptr found = home_.table.find(other->id_)) found->unwatch(*by);
  by->release();
  return true;
}

void cell::tell_down(const down& what) noexcept {
  envelope_ptr message(new told<down>(what));
  message->set_lane(lane::control);
  extras& mine = *extras_or_null();
  watcher* by;
  {
    const std::lock_guard hold_lock(mine.lock);
    by = take_watched(mine, what.id);
    if (!by) return;
    post(std::move(message));  // under the lock: see forget_watched()
  }
  by->release();
}

// Under the lock.
watcher* cell::take_watched(extras& e, std::uint64_t id) noexcept {
  const auto found = std::ranges::find(e.watching, id, &watched::id);
  if (found == e.watching.end()) return nullptr;
  watcher* const by = found->by;
  e.watching.erase(found);
  return by;
}

// Afterwards no `down` comes any more, though some may be in the mailbox.
void cell::forget_watched() noexcept {
  extras& e = *extras_or_null();
  std::vector<watched> all;
  {
    const std::lock_guard hold_lock(e.lock);
    all.swap(e.watching);
  }
  for (const watched& w : all) {
    if (const local_target_ptr other = home_.table.find(w.id)) other->unwatch(*w.by);
    w.by->release();
  }
}

}  // namespace tandem::actors::detail
