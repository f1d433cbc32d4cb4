#include <tandem/actors/system.hpp>

#include <ctime>

#include <chrono>
#include <cstdio>
#include <mutex>
#include <stdexcept>
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

system_options checked(system_options options, bool simulated) {
  if (options.gate && !simulated) throw std::logic_error("messages can be held in a simulation only");
  return options;
}

}  // namespace

system_impl::system_impl(tandem::detail::scheduler& on, tandem::context root, bool is_simulated, system_options with)
    : core(on),
      simulated(is_simulated),
      options(checked(std::move(with), is_simulated)),
      context(root),
      caf(std::make_unique<hosted_caf>(on, is_simulated)) {
  add_task_source(core, *this);
  self.impl_.reset(this);
}

system_impl::~system_impl() {
  living.withdraw();
  (void)self.impl_.release();
  remove_task_source(core, *this);
  letters_log_.finish();
  failures_log_.finish();
  ended_->release();
}

void system_impl::list(tandem::detail::census_taker& out, tandem::detail::census_of whom) noexcept {
  table.visit([&](cell& c) { c.list(out, whom); });
}

void system_impl::one_less(std::uint64_t id) noexcept {
  if (table.release(id)) all_ended();
}

void system_impl::all_ended() noexcept {
  auto* const ended = ended_;
  ended->complete({});
  ended->release();
}

coarse_time system_impl::coarse_now(const tandem::detail::scheduler& on, bool is_simulated) noexcept {
  if (is_simulated) {
    const auto since = clock_of(on).time_since_epoch();
    return coarse_time{static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count())};
  }
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return coarse_time{static_cast<std::uint32_t>(t.tv_sec) * 1000U + static_cast<std::uint32_t>(t.tv_nsec / 1'000'000)};
}

void system_impl::forget_names(const target& of) noexcept {
  std::vector<target_ptr> dropped;  // outside of the lock
  const std::lock_guard hold(names_lock);
  for (auto i = names.begin(); i != names.end();) {
    if (i->second.get() == &of) {
      dropped.push_back(std::move(i->second));
      i = names.erase(i);
    } else {
      ++i;
    }
  }
}

void system_impl::report(const dead_letter& letter) noexcept {
  if (!counts_only()) show(letter);
}

bool system_impl::counts_only() noexcept {
  dead_letters.fetch_add(1, std::memory_order_relaxed);  // a counter
  if (options.on_dead_letter) return false;
  return !options.log_dead_letters || !letters_log_.admits(clock_of(core));
}

void system_impl::show(const dead_letter& letter) noexcept {
  if (options.on_dead_letter) {
    options.on_dead_letter(letter);
  } else {
    stderr_log::write("dead letter: " + to_string(letter));
  }
}

void system_impl::report_failure(const cell& of, const error& why) noexcept {
  if (!options.log_failures || !failures_log_.admits(clock_of(core))) return;
  stderr_log::write(
      fmt::format("actor {} (id {}) failed, and nobody supervises or watches it: {}", of.label(), of.id(), why));
}

task<result<void>> system_impl::wait_for_end(time_point until) {
  ended_->retain();
  tandem::detail::completion_ptr<void> ended(ended_);
  auto actors_ended = co_await tandem::detail::join_operation<void>(ended, until);
  if (!actors_ended) co_return fail(wrap(actors_ended.error(), errc::deadline_exceeded, describe_left()));
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
  const auto left = table.everybody();
  for (const auto& actor : left) {
    if (listed == named_in_report) break;
    text += fmt::format("{}{} (id {})", listed++ ? ", " : "", static_cast<cell&>(*actor).label(), actor->id());
  }
  if (left.empty()) text += "none of tandem's";
  if (left.size() > listed) text += fmt::format(" and {} more", left.size() - listed);
  return text;
}

result<void> system_impl::shutdown(duration limit) {
  const std::lock_guard one_at_a_time(shutdown_lock_);
  if (!closed_) {
    closed_ = true;
    stopping.store(true);
    std::map<std::string, target_ptr, std::less<>> dropped;
    {
      const std::lock_guard hold(names_lock);
      dropped.swap(names);
    }
    context.cancel(stop_reason);
    for (const auto& actor : table.everybody())  // supervisors saw the end of the context, and see to their own
      if (!static_cast<cell&>(*actor).is_supervised()) actor->request_exit(stop_reason, true, true);
    if (table.close()) all_ended();
  }
  if (is_stopping(core))
    return fail(errc::failed_precondition, "the runtime was shut down before its actor system: " + describe_left());
  const tandem::detail::worker_base* const here = tandem::detail::tls_worker;
  if (here && here->owner == &core && !simulated && worker_count(core) == 1)
    return fail(errc::failed_precondition,
                "the actor system was shut down, or destroyed, on its runtime's only worker, which then cannot run what "
                "is to end: do it outside of tasks");
  auto waiting = tandem::detail::spawn_on(core, wait_for_end(deadline_after(clock_of(core), limit)),
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

nascent_actor::nascent_actor(system& home, spawn_actor_options options, const actor_kind& kind, local_target* parent)
    : home_(system_access::impl(home)) {
  // Early, so that actors which spawn others without end do not keep it from ending; the table has the last word.
  if (home_.stopping.load()) return;
  const std::uint64_t id = home_.table.reserve();
  if (id == 0) return;
  try {
    cell_ = &cell::make(home_, id, std::move(options), kind);
    if (parent && !static_cast<cell&>(*parent).add_child(*cell_)) reject();
  } catch (...) {
    if (cell_) {
      reject();
    } else {
      home_.one_less(id);
    }
    throw;
  }
}

nascent_actor::~nascent_actor() {
  if (cell_) reject();
}

void nascent_actor::reject() noexcept {
  cell* const c = std::exchange(cell_, nullptr);
  const std::uint64_t id = c->id();
  c->abandon();
  c->unhold();
  home_.one_less(id);
}

actor_context& nascent_actor::context() noexcept { return cell_->context_object(); }

target_ptr nascent_actor::launch(std::unique_ptr<actor_body> body) noexcept {
  target_ptr ref(cell_);
  cell_->start(std::move(body));
  cell_ = nullptr;  // its hold is the life's now
  return ref;
}

local_target_ptr system_access::find(system& s, std::uint64_t id) { return s.impl_->table.find(id); }

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
    : impl_(std::make_unique<detail::system_impl>(on, std::move(root), simulated, std::move(options))) {}

system::system() noexcept = default;

system::~system() {
  if (!impl_) return;  // that of an impl
  const auto ended = shutdown(impl_->options.shutdown_limit);
  if (ended) return;
  std::fputs(fmt::format("tandem: {}\n", ended.error()).c_str(), stderr);  // fmt::print() throws if it cannot write
  // What did not end still uses it. Kept where leak checkers find it; it was reported above.
  static std::mutex lock;
  static auto* const kept = new std::vector<detail::system_impl*>;
  const std::lock_guard hold(lock);
  kept->push_back(impl_.release());
}

result<void> system::shutdown(duration limit) { return impl_->shutdown(limit); }
std::size_t system::live_actors() const noexcept { return impl_->table.size(); }
std::vector<actor_info> system::list_actors() const {
  std::vector<actor_info> all;
  // Without holding them: a report must give nobody a turn who would have none without.
  impl_->table.visit([&all](detail::cell& actor) { all.push_back(actor.describe()); });
  return all;
}

const char* to_string(actor_state s) noexcept {
  switch (s) {
    case actor_state::idle: return "idle";
    case actor_state::busy: return "busy";
    case actor_state::waiting: return "waiting";
    case actor_state::stopped: return "stopped";
    case actor_state::ending: return "ending";
  }
  return "unknown";
}

std::size_t system::dead_letters() const noexcept { return impl_->dead_letters.load(std::memory_order_relaxed); }

result<void> system::register_target(std::string name, detail::target_ptr target) {
  if (!target) return fail(detail::empty_ref());
  const std::lock_guard hold(impl_->names_lock);
  if (auto* const local = dynamic_cast<detail::cell*>(target.get())) {
    local->has_names();
    // An actor that ends after this look finds its name and takes it out.
    if (local->has_ended())
      return fail(errc::unavailable, fmt::format("the actor to be registered as {} has ended", name));
  }
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
