// cell::block: an actor in memory.
#pragma once
#include <source_location>
#include <utility>

#include <tandem/runtime/detail/task_record.hpp>

#include "cell.hpp"

namespace tandem::actors::detail {

/// The record that the scheduler runs comes first, and the block is where all tasks are, so that reports find it.
struct cell::block final : tandem::detail::task_record {
  block(system_impl& home, std::uint64_t actor_id, spawn_actor_options options, const actor_kind& kind)
      : task_record(home.core, tandem::detail::id_of_origin("actor", std::source_location::current())),
        actor(*this, home, actor_id, std::move(options), kind) {}
  ~block() override = default;

  void run() noexcept override;  // with the turn, in cell_turn.cpp
  [[nodiscard]] const char* name() const noexcept override { return actor.label(); }
  [[nodiscard]] bool is_spawned() const noexcept override { return false; }
  [[nodiscard]] void* place() noexcept override { return nullptr; }  // nobody joins a handler
  void about_to_wait() noexcept override {
    if (defers_context()) make_context();
    actor.set_live(true);
  }
  void make_context() noexcept override { actor.enter_own_context(); }

  cell actor;
};

}  // namespace tandem::actors::detail
