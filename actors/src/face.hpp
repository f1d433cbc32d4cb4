// face: an actor as a citizen of CAF, to be addressed, monitored and linked by CAF's actors.
#pragma once
#include <caf/all.hpp>

#include "cell.hpp"

namespace tandem::actors::detail {

/// Made when the first CAF handle of an actor is asked for: an actor that CAF never meets does without. It keeps the
/// cell in memory, but when CAF and the cell's refs have let go of it, the cell is told, and has no face any more.
///
/// (F1) CAF is called without an execution unit: ours would be that of the worker a turn happened to start on.
class face final : public caf::local_actor, public cell_face {
 public:
  face(caf::actor_config& config, cell& c) : caf::local_actor(config), cell_(c) { cell_.hold(); }
  ~face() override { cell_.unhold(); }

  [[nodiscard]] bool try_pin() noexcept override { return caf::intrusive_ptr_upgrade_weak(ctrl()); }
  void unpin() noexcept override { caf::intrusive_ptr_release(ctrl()); }
  void ended(const error& reason, bool unreachable) noexcept override;

  // caf::local_actor
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override;
  void launch(caf::execution_unit*, bool, bool) override {}  // CAF's spawn is not used
  void on_destroy() override;
  const char* name() const override { return cell_.label(); }

 private:
  cell& cell_;
};

/// The actor's face; made if it has none. Whoever calls it has a ref.
[[nodiscard]] caf::strong_actor_ptr face_of(cell& c);

}  // namespace tandem::actors::detail
