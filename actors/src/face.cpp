#include "face.hpp"

#include <tandem/actors/detail/envelope.hpp>

#include "caf_bridge.hpp"
#include "host.hpp"
#include "system_impl.hpp"

namespace tandem::actors::detail {

void face::enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) {
  if (what->mid.is_response()) return;  // nothing here sends CAF requests
  auto& content = what->content();
  if (content.match_elements<caf::exit_msg>()) {
    const auto& exit = content.get_as<caf::exit_msg>(0);
    unlink_from(exit.source);
    if (exit.reason) cell_.request_exit(from_caf(exit.reason), true, false);
    return;
  }
  if (handle_system_message(*what, nullptr, true)) return;
  const bool urgent = what->mid.is_urgent_message();
  envelope_ptr message(new caf_envelope(std::move(what), caf::strong_actor_ptr(ctrl()), *cell_.impl().caf));
  if (urgent) message->set_lane(lane::urgent);
  cell_.post_from_stranger(std::move(message));
}

void face::on_destroy() {
  cell_.face_gone(*this);
  caf::local_actor::on_destroy();  // tells monitors and links, if that was not done
}

void face::ended(const error& reason, bool unreachable) noexcept {
  cleanup(unreachable ? caf::make_error(caf::exit_reason::unreachable) : to_caf(reason), nullptr);
}

caf::strong_actor_ptr face_of(cell& c) {
  const auto adopt = [](cell_face* pinned) { return caf::strong_actor_ptr(static_cast<face*>(pinned)->ctrl(), false); };
  if (cell_face* const there = c.pinned_face()) return adopt(there);
  caf::actor_system& system = c.impl().caf->system();
  caf::actor_config config;
  auto made = caf::make_actor<face, caf::strong_actor_ptr>(system.next_actor_id(), system.node(), &system, config, c);
  auto* const mine = static_cast<face*>(made->get());
  cell_face* const chosen = c.adopt_face(*mine);
  if (chosen != mine) return adopt(chosen);
  (void)mine->try_pin();  // the refs' (C6)
  // The cell looks for its face after it has closed its mailbox.
  if (c.has_ended()) mine->ended(c.end_reason(), false);
  return made;
}

}  // namespace tandem::actors::detail
