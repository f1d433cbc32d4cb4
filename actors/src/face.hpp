// face: an actor as a citizen of CAF, to be addressed, monitored and linked by CAF's actors.
#pragma once
#include <caf/all.hpp>

#include "cell.hpp"

namespace tandem::actors::detail {

/// Made when the first CAF handle of an actor is asked for: an actor that CAF never meets does without.
///
/// (F1) The cell holds a strong reference, a pin, as long as anything but the face holds the cell (C1). When CAF drops
///      the last reference besides, the cell ends with the face; so the cell's memory stays as long as the face is there.
/// (F2) CAF is called without an execution unit: ours would be that of the worker a turn happened to start on.
class face final : public caf::local_actor, public cell_face {
 public:
  face(caf::actor_config& config, cell& c) : caf::local_actor(config), cell_(c) {}

  void pin() noexcept override { caf::intrusive_ptr_add_ref(ctrl()); }
  void unpin() noexcept override { caf::intrusive_ptr_release(ctrl()); }
  [[nodiscard]] bool try_pin() noexcept override { return caf::intrusive_ptr_upgrade_weak(ctrl()); }
  [[nodiscard]] bool only_pinned() noexcept override { return ctrl()->strong_refs.load() == 1; }
  void ended(const error& reason, bool unreachable) noexcept override;

  // caf::local_actor
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) override;
  void launch(caf::execution_unit*, bool, bool) override {}  // CAF's spawn is not used
  void on_destroy() override;
  const char* name() const override { return cell_.label(); }

  /// It lost the race to be its cell's.
  void disown() noexcept { adopted_ = false; }

 private:
  cell& cell_;
  bool adopted_ = true;
};

/// The actor's face; made if it has none. Whoever calls it has a ref.
[[nodiscard]] caf::strong_actor_ptr face_of(cell& c);

}  // namespace tandem::actors::detail
