#include <tandem/actors/detail/pool_target.hpp>

#include <algorithm>
#include <mutex>
#include <stdexcept>

#include <tandem/actors/detail/operations.hpp>
#include <tandem/actors/system.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/spawn.hpp>

#include "message_in_hand.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {
namespace {

struct more_workers {
  target_ptr pool;
};
struct fewer_workers {
  std::shared_ptr<pool_target> pool;
};

// What the keeper is told; if it cannot be, it has ended or is about to, and closes the pool: no dead letter.
template <class M>
class order final : public typed_envelope<M, void> {
 public:
  explicit order(M m) : typed_envelope<M, void>(std::move(m), false, no_deadline) {}
  bool fail(error) noexcept override { return true; }
};
template <class M>
void give_order(target& keeper, M m) noexcept {
  envelope_ptr message(new order<M>(std::move(m)));
  error why;
  (void)keeper.try_deliver(message, why);
}

task<> let_go_of_idle(std::shared_ptr<pool_target> pool) {
  for (;;) {
    const time_point next = pool->shrink();
    if (next == no_deadline) co_return;
    if (const auto slept = co_await sleep_until(next); !slept) co_return;
  }
}

class keeper {
 public:
  using protocol = actors::protocol<void(more_workers), void(fewer_workers)>;
  explicit keeper(std::shared_ptr<pool_target> pool) noexcept : pool_(std::move(pool)) {}
  ~keeper() { pool_->close(make_error(errc::unavailable, "the pool has ended with its system")); }
  keeper(const keeper&) = delete;
  keeper& operator=(const keeper&) = delete;

  void on(const more_workers&) { pool_->grow(); }
  void on(fewer_workers m) {
    const spawn_options options("a pool's idle workers", pool_->while_open());
    spawn(let_go_of_idle(std::move(m.pool)), options).detach();
  }

 private:
  const std::shared_ptr<pool_target> pool_;
};

actor_pool_options checked(actor_pool_options o) {
  if (o.queue_capacity == 0) throw std::invalid_argument("tandem: a pool's queue needs room for a message");
  if (o.max_workers == 0 || o.max_workers < o.min_workers)
    throw std::invalid_argument("tandem: a pool needs a max_workers of at least 1, and at least min_workers");
  if (o.keep_alive < duration::zero() || o.restart_period < duration::zero())
    throw std::invalid_argument("tandem: a pool's keep_alive and restart_period must not be below zero");
  return o;
}

error no_workers() {
  static const error none = make_error(errc::unavailable, "the pool has no workers");
  return none;
}

}  // namespace

// Tells the pool that a worker has ended, unless the pool is gone.
class pool_target::watch_on_worker final : public watcher {
 public:
  watch_on_worker(std::weak_ptr<pool_target> pool, const target* worker) noexcept
      : pool_(std::move(pool)), worker_(worker) {}
  void told(const down& what) noexcept override {
    if (const auto pool = pool_.lock()) pool->worker_ended(worker_, what.reason);
  }

 private:
  const std::weak_ptr<pool_target> pool_;
  const target* const worker_;  // to compare with
};

basic_target_ptr<pool_target> make_pool(actors::system& in, const pool_messages& messages,
                                        pool_target::factory make_worker, actor_pool_options options) {
  const std::string name = options.name;
  const auto pool = std::make_shared<pool_target>(in, messages, std::move(make_worker), checked(std::move(options)));
  const auto keeper_ref = in.spawn<keeper>(spawn_actor_options(name), pool);
  basic_target_ptr<pool_target> ref(pool.get());
  pool->start(pool, keeper_ref.target());
  return ref;
}

pool_target::pool_target(actors::system& home, const pool_messages& messages, factory make_worker,
                         actor_pool_options options)
    : home_(system_access::impl(home).living.number()),
      messages_(messages),
      make_worker_(std::move(make_worker)),
      options_(std::move(options)),
      stop_(tandem::context()) {}

void pool_target::start(const std::shared_ptr<pool_target>& self, target_ptr keeper) noexcept {
  keeper_needed needed;
  {
    const std::lock_guard hold(lock_);
    self_ = self;
    if (keeper) {
      id_ = keeper->id();
      keeper_ = std::move(keeper);
    } else {
      closed_ = make_error(errc::unavailable, "the pool's system has shut down");
    }
    needed = look_after();
  }
  tell(needed);
}

// Whatever is still queued is in some hand's or sender's share of the pool (W3): so nothing is.
void pool_target::last_ref_gone() noexcept {
  std::shared_ptr<pool_target> self;
  target_ptr keeper;
  {
    const std::lock_guard hold(lock_);
    self = std::move(self_);
    keeper = std::move(keeper_);
  }
  if (self) close(make_error(errc::unavailable, "the pool is gone"));
}

std::size_t pool_target::depth() const noexcept {
  const std::lock_guard hold(lock_);
  return queued_ + workers_.size() - idle_.size();
}

actor_pool_stats pool_target::stats() noexcept {
  const std::lock_guard hold(lock_);
  return {workers_.size(), workers_.size() - idle_.size(), queued_, handed_, dropped_, ended_};
}

void pool_target::report_dead_letter(const envelope& message, const error& why) noexcept {
  target_ptr keeper;
  {
    const std::lock_guard hold(lock_);
    keeper = keeper_;
  }
  if (keeper) keeper->report_dead_letter(message, why);
}

// Senders' side.

bool pool_target::has_way_to_work() const noexcept { return !workers_.empty() || (make_worker_ && !gave_up_); }

void pool_target::enqueue(envelope_ptr message) noexcept {
  queue_.push(std::move(message));
  ++queued_;
}

envelope_ptr pool_target::dequeue() noexcept {
  --queued_;
  return queue_.pop();
}

pool_target::accepted pool_target::accept(envelope_ptr& message, envelope_ptr& dropped, error& why) noexcept {
  if (closed_) {
    why = closed_;
    return accepted::refused;
  }
  if (!has_way_to_work()) {
    why = gave_up_ ? gave_up_ : no_workers();
    return accepted::refused;
  }
  if (queued_ >= options_.queue_capacity || !waiters_.empty()) {
    switch (options_.when_full) {
      case overflow::wait: return accepted::full;
      case overflow::fail: why = mailbox_is_full(options_.name.c_str()); return accepted::refused;
      case overflow::drop_newest:
        ++dropped_;
        dropped = std::move(message);
        return accepted::taken;
      case overflow::drop_oldest:
        ++dropped_;
        dropped = dequeue();
        break;
    }
  }
  enqueue(std::move(message));
  return accepted::taken;
}

target::delivery pool_target::try_deliver(envelope_ptr& message, error& why) noexcept {
  envelope_ptr dropped;
  accepted outcome = accepted::refused;
  {
    const std::lock_guard hold(lock_);
    outcome = accept(message, dropped, why);
  }
  if (outcome == accepted::full) return delivery::full;
  if (outcome == accepted::refused) return delivery::failed;
  if (dropped) undeliverable(*this, *dropped, mailbox_is_full(options_.name.c_str()));
  dispatch();
  return delivery::delivered;
}

room_waiter::phase pool_target::wait_for_room(room_waiter& w) noexcept {
  using phase = room_waiter::phase;
  phase reached = phase::waiting;
  {
    const std::lock_guard hold(lock_);
    if (w.state == phase::cancelled) return phase::cancelled;
    envelope_ptr dropped;
    switch (accept(w.message, dropped, w.why)) {
      case accepted::taken: reached = w.state = phase::admitted; break;
      case accepted::refused: reached = w.state = phase::failed; break;
      case accepted::full: (void)waiters_.push(w); break;
    }
  }
  if (reached == phase::admitted) dispatch();
  return reached;
}

bool pool_target::cancel_wait(room_waiter& w) noexcept {
  const std::lock_guard hold(lock_);
  return waiters_.cancel(w);
}

void pool_target::admit(wake_list& woken) noexcept {
  while (queued_ < options_.queue_capacity) {
    room_waiter* const w = waiters_.pop(room_waiter::phase::admitted);
    if (!w) return;
    enqueue(std::move(w->message));
    woken.add(*w);
  }
}

// Workers' side.

// Gives queued messages to idle workers, until there is none of either (W2).
void pool_target::dispatch() noexcept {
  for (;;) {
    worker_ptr to;
    envelope_ptr message;
    wake_list woken;
    keeper_needed needed;
    {
      const std::lock_guard hold(lock_);
      if (!queue_.empty() && !idle_.empty()) {
        to = std::move(idle_.back());
        idle_.pop_back();
        message = dequeue();
        ++handed_;
        admit(woken);
      }
      needed = look_after();
    }
    woken.wake_all();
    tell(needed);
    if (!to) return;
    hand_over(std::move(to), std::move(message));
  }
}

void pool_target::hand_over(worker_ptr to, envelope_ptr message) noexcept {
  target& where = *to->to;
  auto* const handed =
      new handed_message(std::make_unique<message_in_hand>(*this, std::move(to), std::move(message)));
  envelope_ptr given(handed);
  error why;
  switch (where.try_deliver(given, why)) {
    case delivery::delivered: return;
    case delivery::failed: given->fail(std::move(why)); return;  // and comes back
    case delivery::full: break;
  }
  handed->waiter.message = std::move(given);
  if (where.wait_for_room(handed->waiter) != room_waiter::phase::failed) return;  // the message may be gone
  given = std::move(handed->waiter.message);
  given->fail(std::move(handed->waiter.why));
}

void pool_target::done(const worker_ptr& by) noexcept {
  {
    const std::lock_guard hold(lock_);
    if (by->parted || closed_) return;
    by->idle_since = now();
    idle_.push_back(by);
  }
  dispatch();
}

void pool_target::returned(const worker_ptr& by, envelope_ptr message, const error& why) noexcept {
  worker_ptr gone;
  hopeless lost;
  {
    const std::lock_guard hold(lock_);
    gone = part_with(by->to.get());
    if (gone) note_end(why);
    queue_.push_front(std::move(message));
    ++queued_;
    lost = take_hopeless();
  }
  if (gone) let_go(*gone);
  fail(std::move(lost));
  dispatch();
}

void pool_target::worker_ended(const target* which, const error& why) noexcept {
  worker_ptr gone;
  hopeless lost;
  {
    const std::lock_guard hold(lock_);
    gone = part_with(which);
    if (!gone) return;
    note_end(why);
    lost = take_hopeless();
  }
  let_go(*gone);
  fail(std::move(lost));
  dispatch();
}

pool_target::worker_ptr pool_target::part_with(const target* which) noexcept {
  const auto is_it = [&](const worker_ptr& w) { return w->to.get() == which; };
  const auto found = std::find_if(workers_.begin(), workers_.end(), is_it);
  if (found == workers_.end()) return nullptr;
  worker_ptr gone = std::move(*found);
  gone->parted = true;
  workers_.erase(found);
  std::erase_if(idle_, is_it);
  return gone;
}

void pool_target::let_go(const worker& w) noexcept {
  if (!w.watch) return;
  (void)w.to->unwatch(*w.watch);
  w.watch->release();
}

result<void> pool_target::add(const target_ptr& to) {
  if (!to) return tandem::fail(empty_ref());
  const auto* const actor = dynamic_cast<const local_target*>(to.get());
  if (!actor || actor->system_number() != home_)
    return tandem::fail(errc::invalid_argument,
                        "a pool's worker must be an actor of its system; this is not: " + to->target_name());
  const auto added = std::make_shared<worker>();
  added->to = to;
  watcher* const watch = new watch_on_worker(weak_from_this(), to.get());
  watch->retain();  // ours: it may be let go of before it is told
  added->watch = watch;
  error refused;
  {
    const std::lock_guard hold(lock_);
    if (closed_) {
      refused = closed_;
    } else if (std::any_of(workers_.begin(), workers_.end(), [&](const auto& w) { return w->to.get() == to.get(); })) {
      refused = error_of(errc::already_exists);
    } else {
      idle_.reserve(workers_.size() + 1);
      workers_.push_back(added);
      added->idle_since = now();
      idle_.push_back(added);
    }
  }
  if (refused) {
    let_go(*added);
    watch->release();
    return tandem::fail(std::move(refused));
  }
  (void)to->watch(*watch);  // told at once, if it has ended
  watch->release();
  dispatch();
  return {};
}

bool pool_target::remove(const target* which) noexcept {
  worker_ptr gone;
  hopeless lost;
  {
    const std::lock_guard hold(lock_);
    gone = part_with(which);
    if (!gone) return false;
    lost = take_hopeless();
  }
  let_go(*gone);
  fail(std::move(lost));
  dispatch();
  return true;
}

// The keeper's part.

pool_target::keeper_needed pool_target::look_after() noexcept {
  keeper_needed needed;
  if (!make_worker_ || closed_) return needed;
  const bool wanted = workers_.size() < options_.min_workers ||
                      (!queue_.empty() && idle_.empty() && workers_.size() < options_.max_workers);
  if (wanted && !gave_up_) needed.grow = !std::exchange(growing_, true);
  if (workers_.size() > options_.min_workers && !idle_.empty() && options_.keep_alive != duration::max())
    needed.shrink = !std::exchange(shrinking_, true);
  if (needed.grow || needed.shrink) needed.keeper = keeper_;
  return needed;
}

void pool_target::tell(const keeper_needed& what) noexcept {
  if (!what.keeper) return;
  if (what.grow) give_order(*what.keeper, more_workers{target_ptr(this)});
  if (what.shrink) give_order(*what.keeper, fewer_workers{shared_from_this()});
}

void pool_target::grow() noexcept {
  for (;;) {
    {
      const std::lock_guard hold(lock_);
      growing_ = false;
      const bool wanted = workers_.size() < options_.min_workers ||
                          (!queue_.empty() && idle_.empty() && workers_.size() < options_.max_workers);
      if (!wanted || closed_ || gave_up_) return;
      growing_ = true;  // what comes meanwhile is seen in the next round
    }
    error why;
    try {
      const target_ptr made = make_worker_();
      if (!made) {
        why = make_error(errc::unavailable, "the function that makes a pool's workers made none");
      } else if (auto added = add(made); !added) {
        why = std::move(added).error();
      }
    } catch (...) {
      why = from_exception(std::current_exception());
    }
    if (!why) continue;
    hopeless lost;
    keeper_needed again;
    {
      const std::lock_guard hold(lock_);
      note_end(why);
      lost = take_hopeless();
      again.keeper = keeper_;
      again.grow = true;
    }
    fail(std::move(lost));
    return tell(again);  // another turn: there may be many tries, and the keeper may be told to end
  }
}

void pool_target::note_end(const error& why) {
  ++ended_;
  if (!make_worker_ || gave_up_ || closed_) return;
  const time_point when = now();
  while (!ends_.empty() && when - ends_.front() > options_.restart_period) ends_.pop_front();
  ends_.push_back(when);
  if (ends_.size() <= options_.restarts) return;
  const char* const text = "the pool has given up: its workers have ended too often";
  gave_up_ = why ? wrap(why, errc::unavailable, text) : make_error(errc::unavailable, text);
}

time_point pool_target::shrink() noexcept {
  std::vector<worker_ptr> gone;
  time_point next = no_deadline;
  {
    const std::lock_guard hold(lock_);
    // The first became idle first: those behind it were taken since.
    while (!closed_ && workers_.size() > options_.min_workers && !idle_.empty()) {
      next = deadline_after(idle_.front()->idle_since, options_.keep_alive);
      if (next > now()) break;
      gone.push_back(part_with(idle_.front()->to.get()));
      next = no_deadline;
    }
    if (next == no_deadline) shrinking_ = false;
  }
  for (const worker_ptr& w : gone) let_go(*w);
  return next;
}

void pool_target::close(const error& why) noexcept {
  hopeless lost;
  std::vector<worker_ptr> gone;
  {
    const std::lock_guard hold(lock_);
    if (!closed_) closed_ = why;
    gone.swap(workers_);
    idle_.clear();
    for (const worker_ptr& w : gone) w->parted = true;
    lost = take_hopeless();
  }
  fail(std::move(lost));
  for (const worker_ptr& w : gone) let_go(*w);
  stop_.cancel();
}

pool_target::hopeless pool_target::take_hopeless() noexcept {
  hopeless all;
  if (closed_) {
    all.why = closed_;
  } else if (!has_way_to_work()) {
    all.why = gave_up_ ? gave_up_ : no_workers();
  } else {
    return all;
  }
  all.messages = std::move(queue_);
  queued_ = 0;
  while (room_waiter* const w = waiters_.pop(room_waiter::phase::failed)) {
    if (w->sender) {
      all.senders.add(*w);
    } else {  // an asker waits for the answer, not for room: it is told through its message
      w->state = room_waiter::phase::admitted;
      all.messages.push(std::move(w->message));
    }
  }
  return all;
}

void pool_target::fail(hopeless all) noexcept {
  all.senders.fail_all(all.why);
  while (!all.messages.empty()) undeliverable(*this, *all.messages.pop(), all.why);
}

}  // namespace tandem::actors::detail
