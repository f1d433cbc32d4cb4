#include <tandem/actors/supervision_event.hpp>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>

#include "readable_duration.hpp"

namespace tandem::actors {
namespace {

std::string incident(const supervision_event& e) {
  switch (e.what) {
    case child_incident::ended: return e.reason ? fmt::format("failed: {}", e.reason) : "ended";
    case child_incident::start_failed: return fmt::format("failed to start: {}", e.reason);
    case child_incident::stopped_badly: return fmt::format("was told to end, and failed: {}", e.reason);
    case child_incident::left_behind: return "was told to end, and did not in time: it is left behind";
  }
  return {};
}

std::string reaction(const supervision_event& e) {
  const auto count = [&] {
    return fmt::format("restart {} of {} in {}", e.restarts, e.intensity, detail::readable(e.period));
  };
  switch (e.next) {
    case supervision_action::none: return {};
    case supervision_action::restart:
      if (e.delay <= duration::zero()) return fmt::format("; {}: starts again", count());
      return fmt::format("; {}: starts again after {}", count(), detail::readable(e.delay));
    case supervision_action::keep: return "; stays stopped";
    case supervision_action::remove: return "; removed";
    case supervision_action::shut_down: return "; was significant: the supervisor shuts down";
    case supervision_action::give_up:
      if (e.restarts <= e.intensity) return "; the supervisor gives up";
      return fmt::format("; more than {} restarts in {}: the supervisor gives up", e.intensity,
                         detail::readable(e.period));
  }
  return {};
}

}  // namespace

std::string to_string(const supervision_event& e) {
  return fmt::format("supervisor {}: {} {} {}{}", e.supervisor, e.type == child_type::worker ? "child" : "supervisor",
                     e.child, incident(e), reaction(e));
}

}  // namespace tandem::actors
