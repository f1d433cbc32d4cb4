// Forward declarations of tandem::actors.
#pragma once

namespace tandem::actors {

template <class... Signatures>
struct protocol;
template <class... Signatures>
class actor_pool;
template <class... Signatures>
class actor_ref;
template <class Signature>
class dynamic_supervisor;
template <class... Signatures>
class inbox;
template <class... Signatures>
class router;
template <class M>
class topic;
class actor_context;
class any_supervisor;
class child_spec;
class subscription;
class supervisor;
class system;
struct actor_pool_options;
struct actor_pool_stats;
struct child_options;
struct dead_letter;
struct spawn_actor_options;
struct supervision_event;
struct supervisor_options;
struct system_options;
struct topic_options;
struct topic_stats;

}  // namespace tandem::actors
