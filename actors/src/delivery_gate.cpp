#include <tandem/actors/detail/delivery_gate.hpp>

#include "cell.hpp"

namespace tandem::actors::detail {
namespace {

cell& cell_of(local_target& actor) noexcept { return static_cast<cell&>(actor); }

}  // namespace

held_at find_held(local_target& to, const envelope* message) noexcept { return cell_of(to).find_held(message); }
bool let_in(local_target& to, const envelope* message) noexcept { return cell_of(to).let_in(message); }
envelope_ptr take_out(local_target& to, const envelope* message) noexcept { return cell_of(to).take_out(message); }

}  // namespace tandem::actors::detail
