// Forward declarations of tandem::actors.
#pragma once

namespace tandem::actors {

template <class... Signatures>
struct protocol;
template <class... Signatures>
class actor_ref;
class actor_context;
class system;
struct dead_letter;
struct spawn_actor_options;
struct system_options;

}  // namespace tandem::actors
