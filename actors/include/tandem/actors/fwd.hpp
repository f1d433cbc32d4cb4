// Forward declarations of tandem::actors.
#pragma once

namespace tandem::actors {

template <class... Signatures>
struct protocol;
template <class... Signatures>
class actor_ref;
template <class... Signatures>
class actor_pool;
template <class... Signatures>
class router;
template <class M>
class topic;
class actor_context;
class subscription;
class system;
struct actor_pool_options;
struct actor_pool_stats;
struct dead_letter;
struct spawn_actor_options;
struct system_options;
struct topic_options;
struct topic_stats;

}  // namespace tandem::actors
