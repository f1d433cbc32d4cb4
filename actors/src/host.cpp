#include "host.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <tandem/runtime/detail/simulation.hpp>
#include <tandem/runtime/detail/sync.hpp>
#include <tandem/runtime/runtime.hpp>

namespace tandem::actors::detail {
namespace {

// Messages an event-based actor may handle before others run; CAF's own default is no limit.
constexpr std::size_t default_throughput = 256;

// How long a system that ends waits for the threads of detached actors (H4).
constexpr auto thread_end_limit = std::chrono::seconds(1);

// A scheduler has one host for foreign items, and any number of systems may come and go on it: so the host is the same
// for all of them, and finds the system by the actor. Installed once per scheduler; the lock orders the first install
// before every later look.
std::mutex install_lock;

caf::resumable& resumable_of(tandem::detail::queue_item item) noexcept {
  return *reinterpret_cast<caf::resumable*>(item);
}

// CAF's functor spawns set a thread's current logger; while one is set, CAF looks up the thread's actor id twice per
// resume in a locked table.
void forget_logger() noexcept {
  if (caf::logger::current_logger()) caf::logger::set_current_actor_system(nullptr);
}

template <class... Ts>
std::unordered_map<std::type_index, hosted_caf::wrapper> common_wrappers() {
  return {{typeid(Ts), [](void* value) { return caf::make_message(std::move(*static_cast<Ts*>(value))); }}...};
}

}  // namespace

void run_until_done(tandem::detail::scheduler& core, bool simulated, tandem::detail::completion_base& what) noexcept {
  if (!simulated) {
    tandem::detail::block_until_ready(core, what);
    return;
  }
  while (!what.is_ready()) {
    if (tandem::detail::run_until_idle(core) != 0) continue;
    const time_point next = tandem::detail::next_timer(core);
    if (next == no_deadline) return;
    tandem::detail::move_clock(core, next);
  }
}

host::host(caf::actor_system& system, tandem::detail::scheduler& core, bool simulated)
    : abstract_coordinator(system), core_(core), simulated_(simulated), clock_(core), balances_(worker_count(core)) {
  for (unsigned i = 0; i < worker_count(core); ++i) units_.push_back(std::make_unique<unit>(*this));
  const std::lock_guard hold(install_lock);
  set_foreign_host(core, {&run_foreign, &discard_foreign, nullptr});
}

host::~host() { drained_->release(); }

void host::init(caf::actor_system_config& config) {
  abstract_coordinator::init(config);
  max_throughput_ = caf::get_or(config, "scheduler.max-throughput", default_throughput);
  num_workers_ = units_.size();
}

void host::start() {
  // Not CAF's: that one blocks a thread of its own.
  utility_actors_[printer_id] = spawn_printer(system_);
  forget_logger();
}

void host::stop() {
  if (std::exchange(stopped_, true)) return;
  end_groups();
  end_printer();
  clock_.cancel_all();
  discarding_.store(true, std::memory_order_relaxed);  // who sees it late ends another turn before
  close_balances();
  one_less();
  run_until_done(core_, simulated_, *drained_);
  clock_.cancel_all();
  utility_actors_[printer_id] = nullptr;  // not before: aout() does not look whether there is one
}

// CAF ends the brokers of groups later, and waits for them. Cleaned up instead of run, they would keep their groups,
// and these them.
void host::end_groups() {
  auto local = system_.groups().get_module("local");
  if (!local) return;
  if (!simulated_) {
    local->stop();
    return;
  }
  std::atomic<bool> ended = false;
  std::thread waiting([&] {
    local->stop();
    ended.store(true, std::memory_order_release);
  });
  while (!ended.load(std::memory_order_acquire))  // pairs with the release above
    if (tandem::detail::run_until_idle(core_) == 0) std::this_thread::yield();
  waiting.join();
}

void host::end_printer() {
  auto* const printed = new tandem::detail::completion<void>;
  utility_actors_[printer_id]->attach_functor([printed](const caf::error&) {
    printed->complete({});
    printed->release();
  });
  caf::anon_send(utility_actors_[printer_id], end_of_text());
  run_until_done(core_, simulated_, *printed);
  printed->release();
}

// How many are pending (H1, H3).

// False if pending_ counts.
[[gnu::always_inline]] inline bool host::count_here(std::int64_t change) noexcept {
  const tandem::detail::worker_base* const here = tandem::detail::tls_worker;
  if (!here || here->owner != &core_) return false;
  balance& mine = balances_[here->index];
  mine.being_changed.store(true, std::memory_order_relaxed);    // before the fence
  tandem::detail::sync::light_fence();                          // H3
  const bool open = !closing_.load(std::memory_order_acquire);  // pairs with the release in close_balances()
  if (open) {
    const std::int64_t before = mine.count.load(std::memory_order_relaxed);  // own variable
    mine.count.store(before + change, std::memory_order_relaxed);            // published by the next line
  }
  mine.being_changed.store(false, std::memory_order_release);  // pairs with the acquire in close_balances()
  return open;
}

inline bool host::one_more() noexcept {
  if (count_here(1)) [[likely]]
    return true;
  return one_more_pending();
}

bool host::one_more_pending() noexcept {
  std::int64_t seen = pending_.load(std::memory_order_relaxed);  // the CAS decides
  do {
    if (seen == 0) return false;  // H1
  } while (!pending_.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed));
  return true;
}

inline void host::one_less() noexcept {
  if (!count_here(-1)) [[unlikely]]
    one_less_pending();
}

void host::one_less_pending() noexcept {
  auto* const drained = drained_;
  // Release and acquire: what the actors did comes before what stop() does next.
  if (pending_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  drained->complete({});
  drained->release();
}

void host::close_balances() noexcept {
  constexpr std::int64_t far_from_zero = std::int64_t{1} << 40;  // until all that was counted is in pending_
  pending_.fetch_add(far_from_zero, std::memory_order_relaxed);  // before closing_
  closing_.store(true, std::memory_order_release);               // whoever sees it finds pending_ far from zero
  tandem::detail::sync::heavy_fence();                           // H3
  std::int64_t counted = 0;
  for (balance& b : balances_) {
    while (b.being_changed.load(std::memory_order_acquire)) tandem::detail::sync::spin_pause();
    counted += b.count.load(std::memory_order_relaxed);  // ordered by the line above, or by the fence
  }
  pending_.fetch_add(counted - far_from_zero, std::memory_order_acq_rel);
}

void host::enqueue(caf::resumable* what) {
  if (one_more()) {
    submit(core_, reinterpret_cast<tandem::detail::queue_item>(what));
  } else {
    cleanup_and_release(what);
  }
}

inline host* host::home_of(caf::resumable& what) noexcept {
  caf::abstract_actor* actor = nullptr;
  if (what.subtype() == caf::resumable::scheduled_actor) {
    actor = static_cast<caf::scheduled_actor*>(&what);
  } else {
    actor = dynamic_cast<caf::abstract_actor*>(&what);
  }
  return actor ? static_cast<host*>(&actor->home_system().scheduler()) : nullptr;
}

void host::discard(caf::resumable& what) noexcept {
  cleanup_and_release(&what);
  one_less();
}

inline void host::at_rest(caf::resumable& what) noexcept {
  caf::intrusive_ptr_release(&what);  // H2; may destroy the actor, which still needs the system
  one_less();
}

// An actor that was asleep mostly has one message. If it may take one only, CAF does not look through its five queues
// again before it goes to sleep; if there are more, it goes on at once.
inline bool host::run(caf::resumable& what, unsigned worker_index) noexcept {
  if (discarding_.load(std::memory_order_relaxed)) [[unlikely]] {
    discard(what);
    return false;
  }
  clock::begin_turn();
  caf::execution_unit* const here = units_[worker_index].get();
  auto outcome = what.resume(here, 1);
  if (outcome == caf::resumable::resume_later && max_throughput_ > 1) outcome = what.resume(here, max_throughput_ - 1);
  forget_logger();
  if (outcome == caf::resumable::resume_later) return true;
  at_rest(what);
  return false;
}

bool host::run_foreign(void*, tandem::detail::queue_item item, unsigned worker_index) noexcept {
  caf::resumable& what = resumable_of(item);
  return home_of(what)->run(what, worker_index);
}

void host::discard_foreign(void*, tandem::detail::queue_item item) noexcept {
  caf::resumable& what = resumable_of(item);
  home_of(what)->discard(what);
}

hosted_caf::hosted_caf(tandem::detail::scheduler& core, bool simulated)
    : wrappers_(common_wrappers<bool, char, signed char, unsigned char, short, unsigned short, int, unsigned, long,
                                unsigned long, long long, unsigned long long, float, double, long double, std::string,
                                std::vector<std::string>, caf::actor, caf::message>()) {
  end_kept();
  world_->config.module_factories.push_back(
      [&core, simulated](caf::actor_system& s) -> caf::actor_system::module* { return new host(s, core, simulated); });
  world_->system.emplace(world_->config);
  system().await_actors_before_shutdown(false);  // system::shutdown() waits, for a limited time
  forget_logger();
}

hosted_caf::~hosted_caf() {
  forget_logger();
  // The thread of a detached actor that has ended takes some microseconds to follow.
  const auto patience = std::chrono::steady_clock::now() + thread_end_limit;
  while (system().detached_actors() != 0 && std::chrono::steady_clock::now() < patience)
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  static_cast<host&>(system().scheduler()).close();
  if (!world_->can_end()) {
    if (const std::size_t threads = system().detached_actors())
      std::fprintf(stderr,
                   "tandem: %zu of CAF's detached actors have ended, but not their threads: somebody has a handle "
                   "still\n",
                   threads);
    keep(std::move(world_));
  }
  world_.reset();
  end_kept();
}

// Systems that could not end (H4).

struct hosted_caf::kept_worlds {
  std::mutex lock;
  std::vector<std::unique_ptr<world>> all;  // guarded by lock

  // Never destroyed: the threads they wait for may outlive main().
  static kept_worlds& get() {
    static auto* const kept = new kept_worlds;
    return *kept;
  }
};

bool hosted_caf::world::can_end() noexcept {
  return system->detached_actors() == 0 && system->logger().get_reference_count() == 1;
}

void hosted_caf::keep(std::unique_ptr<world> what) {
  kept_worlds& kept = kept_worlds::get();
  const std::lock_guard hold(kept.lock);
  kept.all.push_back(std::move(what));
}

void hosted_caf::end_kept() {
  forget_logger();
  std::vector<std::unique_ptr<world>> ending;  // outside of the lock
  kept_worlds& kept = kept_worlds::get();
  const std::lock_guard hold(kept.lock);
  const auto first = std::ranges::partition(kept.all, [](const auto& w) { return !w->can_end(); }).begin();
  std::ranges::move(first, kept.all.end(), std::back_inserter(ending));
  kept.all.erase(first, kept.all.end());
}

std::size_t hosted_caf::running() noexcept {
  const std::size_t running = system().registry().running();
  if (running != 0) static_cast<clock&>(system().scheduler().clock()).forget_answered();
  return running;
}

hosted_caf::wrapper hosted_caf::wrapper_of(const std::type_info& type) const {
  const std::lock_guard hold(wrappers_lock_);
  const auto found = wrappers_.find(type);
  return found == wrappers_.end() ? nullptr : found->second;
}

void hosted_caf::expose(std::type_index type, wrapper how) {
  const std::lock_guard hold(wrappers_lock_);
  wrappers_[type] = how;
}

}  // namespace tandem::actors::detail
