// Forward declarations of tandem::actors.
#pragma once

namespace tandem::actors {

template <class... Signatures>
struct protocol;
template <class... Signatures>
class actor_ref;
template <class Signature>
class dynamic_supervisor;
class actor_context;
class any_supervisor;
class backoff;
class child_spec;
class supervisor;
class system;
struct child_options;
struct dead_letter;
struct spawn_actor_options;
struct supervision_event;
struct supervisor_options;
struct system_options;

}  // namespace tandem::actors
