#include <tandem/actors/actor_context.hpp>

#include <stdexcept>

#include "cell.hpp"
#include "system_impl.hpp"

namespace tandem::actors {
namespace {

detail::cell& cell_of(detail::local_target& self) noexcept { return static_cast<detail::cell&>(self); }

}  // namespace

std::string_view actor_context::name() const noexcept { return cell_of(self_).given_name(); }

result<void> actor_context::watch_target(detail::target* whom) {
  if (!whom) return fail(detail::empty_ref());
  return cell_of(self_).watch_from_here(*whom);
}

bool actor_context::unwatch_target(const detail::target* whom) noexcept {
  return whom && cell_of(self_).unwatch_from_here(*whom);
}

self_timer actor_context::start(detail::own_timer& made, time_point first) {
  // The share it is made with is ours.
  const std::unique_ptr<detail::own_timer, decltype([](detail::own_timer* t) { t->release(); })> mine(&made);
  cell_of(self_).start_timer(made, first);
  return self_timer(made);
}

time_point actor_context::clock_now() const noexcept { return cell_of(self_).clock_now(); }

void actor_context::check_period(duration period) {
  if (period <= duration::zero())
    throw std::invalid_argument("tandem: actor_context::every() needs a period of more than zero");
}

void actor_context::set_idle_timeout(duration limit) { cell_of(self_).set_idle_timeout(limit); }

result<void> actor_context::check_stash() {
  if (cell_of(self_).has_stash_room()) return {};
  return fail(errc::resource_exhausted, "the actor's stash is full: it has room for as many messages as its mailbox");
}

void actor_context::put_away(detail::envelope_ptr message) { cell_of(self_).stash(std::move(message)); }
std::size_t actor_context::unstash_all() { return cell_of(self_).unstash(); }

void actor_context::succeed(std::unique_ptr<detail::actor_body> by, const detail::actor_kind& kind) {
  cell_of(self_).become(std::move(by), kind);
}

detail::own_life& actor_context::life() { return cell_of(self_).life(); }
detail::errand actor_context::begin_errand() { return cell_of(self_).begin_errand(); }

void actor_context::start_errand(task<void> body, std::source_location where) {
  detail::cell& self = cell_of(self_);
  spawn_on(self.impl().core, std::move(body), spawn_options("pipe_to_self", self.own_context()), where).disown();
}

}  // namespace tandem::actors
