#include <tandem/actors/system.hpp>

#include <cstdio>
#include <mutex>
#include <vector>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/detail/simulation.hpp>
#include <tandem/runtime/sleep.hpp>

#include "cell.hpp"
#include "host.hpp"
#include "system_impl.hpp"

namespace tandem::actors {
namespace detail {
namespace {

constexpr std::size_t named_in_report = 16;

// Upgrades what the table has, which may be about to be destroyed; called under the bucket's lock.
caf::strong_actor_ptr try_share(cell& c) noexcept {
  caf::actor_control_block* const block = c.ctrl();
  return caf::intrusive_ptr_upgrade_weak(block) ? caf::strong_actor_ptr(block, false) : caf::strong_actor_ptr();
}

}  // namespace

system_impl::system_impl(system& facade, tandem::detail::scheduler& on, tandem::context root, bool is_simulated,
                         system_options with)
    : self(facade),
      core(on),
      simulated(is_simulated),
      options(std::move(with)),
      context(root),
      caf(std::make_unique<hosted_caf>(on, is_simulated)) {
  add_task_source(core, *this);
}

system_impl::~system_impl() {
  remove_task_source(core, *this);
  ended_->release();
}

void system_impl::list(tandem::detail::census_taker& out, tandem::detail::census_of whom) noexcept {
  for (bucket& b : buckets_) {
    const std::lock_guard hold(b.lock);
    for (cell* c = b.first; c; c = c->table_next) c->list(out, whom);
  }
}

bool system_impl::one_more() noexcept {
  std::size_t seen = count_.load(std::memory_order_relaxed);  // the CAS decides
  while (seen != 0)
    if (count_.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) return true;
  return false;
}

void system_impl::one_less() noexcept {
  // Release and acquire: what each actor did comes before what happens after the end.
  if (count_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  auto* const ended = ended_;
  ended->complete({});
  ended->release();
}

std::size_t system_impl::live() const noexcept {
  const std::size_t n = count_.load(std::memory_order_relaxed);  // a snapshot
  return stopping.load(std::memory_order_relaxed) ? n : n - 1;
}

void system_impl::add(cell& c) noexcept {
  bucket& b = bucket_of(c.id());
  const std::lock_guard hold(b.lock);
  c.in_table = true;
  c.table_next = b.first;
  if (b.first) b.first->table_previous = &c;
  b.first = &c;
}

void system_impl::remove(cell& c) noexcept {
  {
    bucket& b = bucket_of(c.id());
    const std::lock_guard hold(b.lock);
    if (!c.in_table) return;
    c.in_table = false;
    (c.table_previous ? c.table_previous->table_next : b.first) = c.table_next;
    if (c.table_next) c.table_next->table_previous = c.table_previous;
  }
  std::vector<target_ptr> dropped;  // outside of the lock
  const std::lock_guard hold(names_lock);
  if (names.empty()) return;
  for (auto i = names.begin(); i != names.end();) {
    if (i->second.get() == &c) {
      dropped.push_back(std::move(i->second));
      i = names.erase(i);
    } else {
      ++i;
    }
  }
}

local_target_ptr system_impl::find(std::uint64_t id) noexcept {
  bucket& b = bucket_of(id);
  caf::strong_actor_ptr share;
  cell* found = nullptr;
  {
    const std::lock_guard hold(b.lock);
    for (cell* c = b.first; c && !share; c = c->table_next) {
      if (c->id() != id) continue;
      share = try_share(*c);
      found = c;
    }
  }
  return share ? local_target_ptr(found) : local_target_ptr();
}

std::vector<local_target_ptr> system_impl::everybody() {
  std::vector<local_target_ptr> all;
  for (bucket& b : buckets_) {
    std::vector<caf::strong_actor_ptr> shares;
    {
      const std::lock_guard hold(b.lock);
      for (cell* c = b.first; c; c = c->table_next)
        if (auto share = try_share(*c)) shares.push_back(std::move(share));
    }
    for (const auto& share : shares) all.emplace_back(static_cast<cell*>(share->get()));
  }
  return all;
}

void system_impl::report(const dead_letter& letter) noexcept {
  dead_letters.fetch_add(1, std::memory_order_relaxed);  // a counter
  if (options.on_dead_letter) options.on_dead_letter(letter);
}

task<result<void>> system_impl::wait_for_end(time_point until) {
  ended_->retain();
  tandem::detail::completion_ptr<void> ended(ended_);
  auto actors_ended = co_await tandem::detail::join_operation<void>(ended, until);
  if (!actors_ended) co_return fail(errc::deadline_exceeded, describe_left());
  while (const std::size_t running = caf->running()) {
    if (now() >= until)
      co_return fail(errc::deadline_exceeded, fmt::format("{} of CAF's actors have not ended", running));
    TANDEM_CO_TRY(co_await sleep_for(std::chrono::milliseconds(1)));  // CAF tells nobody
  }
  co_return result<void>();
}

std::string system_impl::describe_left() {
  std::string text = "actors that have not ended: ";
  std::size_t listed = 0;
  const auto left = everybody();
  for (const auto& actor : left) {
    if (listed == named_in_report) break;
    text += fmt::format("{}{} (id {})", listed++ ? ", " : "", static_cast<cell&>(*actor).name(), actor->id());
  }
  if (left.empty()) text += "none of tandem's";
  if (left.size() > listed) text += fmt::format(" and {} more", left.size() - listed);
  return text;
}

result<void> system_impl::shutdown(duration limit) {
  const std::lock_guard one_at_a_time(shutdown_lock_);
  if (!guard_dropped_) {
    guard_dropped_ = true;
    stopping.store(true);
    std::map<std::string, target_ptr, std::less<>> dropped;
    {
      const std::lock_guard hold(names_lock);
      dropped.swap(names);
    }
    context.cancel(stop_reason);
    for (const auto& actor : everybody()) actor->request_exit(stop_reason, true);
    one_less();
  }
  if (is_stopping(core))
    return fail(errc::failed_precondition, "the runtime was shut down before its actor system: " + describe_left());
  auto waiting = tandem::detail::spawn_on(core, wait_for_end(deadline_in(limit)),
                                          spawn_options("actors::system::shutdown", tandem::context()),
                                          std::source_location::current());
  run_until_done(core, simulated, *waiting.target().get());
  if (!waiting.done()) {
    waiting.detach();
    return fail(errc::deadline_exceeded, describe_left());
  }
  auto outcome = waiting.target().take();
  waiting.detach();
  return outcome;
}

nascent_actor::nascent_actor(system_impl& home, spawn_actor_options options, const actor_kind& kind) : home_(home) {
  if (!home.one_more()) return;
  try {
    caf::actor_system& system = home.caf->system();
    caf::actor_config config;
    const auto made = caf::make_actor<cell, caf::strong_actor_ptr>(system.next_actor_id(), system.node(), &system,
                                                                   config, home, std::move(options), kind);
    cell_ = static_cast<cell*>(made->get());
    cell_->retain();  // ends with launch(), or the destructor
  } catch (...) {
    home.one_less();
    throw;
  }
}

nascent_actor::~nascent_actor() {
  if (!cell_) return;
  cell_->abandon();
  cell_->release();
  home_.one_less();
}

actor_context& nascent_actor::context() noexcept { return cell_->context_object(); }

target_ptr nascent_actor::launch(std::unique_ptr<actor_body> body) noexcept {
  target_ptr ref(cell_);
  cell_->start(std::move(body));
  cell_->release();
  cell_ = nullptr;
  return ref;
}

local_target_ptr system_access::find(system& s, std::uint64_t id) { return s.impl_->find(id); }

target_ptr system_access::find(system& s, std::string_view name) {
  const std::lock_guard hold(s.impl_->names_lock);
  const auto found = s.impl_->names.find(name);
  return found == s.impl_->names.end() ? target_ptr() : found->second;
}

void system_access::report(system& s, const dead_letter& letter) noexcept { s.impl_->report(letter); }

tandem::detail::scheduler& system_access::scheduler_of(system& s) noexcept { return s.impl_->core; }

}  // namespace detail

system::system(runtime& on, system_options options)
    : system(on.core(), on.root_context(), false, std::move(options)) {}

system::system(tandem::detail::scheduler& on, tandem::context root, bool simulated, system_options options)
    : impl_(std::make_unique<detail::system_impl>(*this, on, std::move(root), simulated, std::move(options))) {}

system::~system() {
  const auto ended = shutdown(impl_->options.shutdown_limit);
  if (ended) return;
  fmt::print(stderr, "tandem: {}\n", ended.error());
  // What did not end still uses it. Kept where leak checkers find it; it was reported above.
  static std::mutex lock;
  static auto* const kept = new std::vector<detail::system_impl*>;
  const std::lock_guard hold(lock);
  kept->push_back(impl_.release());
}

result<void> system::shutdown(duration limit) { return impl_->shutdown(limit); }
std::size_t system::live_actors() const noexcept { return impl_->live(); }
std::size_t system::dead_letters() const noexcept { return impl_->dead_letters.load(std::memory_order_relaxed); }

result<void> system::register_target(std::string name, detail::target_ptr target) {
  if (!target) return fail(detail::empty_ref());
  const std::lock_guard hold(impl_->names_lock);
  // An actor that ends after this look finds its name and takes it out.
  if (auto* const local = dynamic_cast<detail::cell*>(target.get()); local && local->has_ended())
    return fail(errc::unavailable, fmt::format("the actor to be registered as {} has ended", name));
  const auto [at, added] = impl_->names.try_emplace(std::move(name), std::move(target));
  if (!added) return fail(errc::already_exists, "an actor named " + at->first + " is registered already");
  return {};
}

bool system::unregister_name(std::string_view name) {
  detail::target_ptr dropped;  // outside of the lock
  const std::lock_guard hold(impl_->names_lock);
  const auto found = impl_->names.find(name);
  if (found == impl_->names.end()) return false;
  dropped = std::move(found->second);
  impl_->names.erase(found);
  return true;
}

result<detail::target_ptr> system::lookup_target(std::string_view name, const protocol_info& wanted) const {
  detail::target_ptr found = detail::system_access::find(const_cast<system&>(*this), name);
  if (!found) return fail(errc::not_found, fmt::format("no actor is named {}", name));
  if (!covers(found->protocol(), wanted))
    return fail(errc::failed_precondition, fmt::format("actor {} takes ({}), which does not cover ({})", name,
                                                       found->protocol().text, wanted.text));
  return found;
}

}  // namespace tandem::actors
