#include <tandem/actors/actor_context.hpp>

#include "cell.hpp"

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

}  // namespace tandem::actors
