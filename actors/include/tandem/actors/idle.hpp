// idle: the message an actor gets when it has had nothing to do for the time it set. See
// actor_context::set_idle_timeout().
#pragma once
#include <tandem/runtime/time.hpp>

namespace tandem::actors {

struct idle {
  duration since_last;  ///< Since it last handled a message, or set the time.
};

}  // namespace tandem::actors
