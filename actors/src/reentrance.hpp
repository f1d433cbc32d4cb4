// What a reentrant actor has besides: its handlers that wait, each a task of its own, of which one at a time runs.
#pragma once
#include <cstddef>
#include <optional>

#include <tandem/actors/detail/body.hpp>
#include <tandem/actors/detail/envelope.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/detail/inspect.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/task_record.hpp>

namespace tandem::actors::detail {

class cell;

/// A handler that is a coroutine, from its start to its end. Runs in turns of its actor only: on a worker, run() hands
/// it to the turn there is, or becomes one.
class activation final : public tandem::detail::task_record {
 public:
  activation(cell& whose, running_handler&& handler, const signature_info* what, time_point deadline);
  ~activation() override = default;

  void run() noexcept override;
  [[nodiscard]] const char* name() const noexcept override;
  [[nodiscard]] bool is_spawned() const noexcept override { return false; }
  [[nodiscard]] void* place() noexcept override { return nullptr; }  // nobody joins a handler

  cell& self;
  running_handler running;
  // Constant.
  const signature_info* const what;
  const coarse_time since;

 private:
  friend class reentrance;
  std::optional<cancel_source> of_message_;
  tandem::detail::scope_link membership_;
  bool live_ = false;  // in the table of live tasks; the turn's
  // Guarded by reentrance::lock_.
  activation* previous_ = nullptr;
  activation* next_ = nullptr;
  activation* next_ready_ = nullptr;
};

/// (E1) An activation is resumed by the turn only, after it was made ready, and so put on the list of those: once per
///      suspension.
/// (E2) Who makes one ready puts it on that list before he pokes the mailbox; the turn looks at the list after each
///      look into the mailbox that did not put it to sleep. So none is forgotten.
/// (E3) A turn that waits for the open ones to end keeps its hold, and parks: it cannot sleep as a consumer, because it
///      was asked to stop. Who makes one ready then, and he only, starts it again.
class reentrance : public tandem::detail::pooled {
 public:
  explicit reentrance(std::size_t at_once) noexcept : at_once_(at_once) {}
  reentrance(const reentrance&) = delete;
  reentrance& operator=(const reentrance&) = delete;

  // The turn's.
  void begin(activation& a) noexcept;
  /// Frees it.
  void end(activation& a) noexcept;
  /// The one that was made ready first; null if none is.
  [[nodiscard]] activation* next_ready() noexcept;
  /// False: one was made ready meanwhile (E3).
  [[nodiscard]] bool park() noexcept;
  [[nodiscard]] std::size_t open() const noexcept { return open_; }
  [[nodiscard]] bool has_room() const noexcept { return open_ < at_once_; }

  /// True if a parked turn has to be started.   Threads: any.
  [[nodiscard]] bool made_ready(activation& a) noexcept;

  // For reports. Threads: any.
  [[nodiscard]] bool any_open() noexcept;
  /// False if none is open.
  [[nodiscard]] bool oldest(const signature_info*& what, coarse_time& since) noexcept;
  void list(tandem::detail::census_taker& out, const char* class_name) noexcept;

  bool draining = false;          // the turn's: no more are begun
  activation* running = nullptr;  // likewise

 private:
  const std::size_t at_once_;
  std::size_t open_ = 0;  // the turn's
  tandem::detail::spin_lock lock_;
  // Guarded by lock_.
  bool parked_ = false;
  activation* first_ = nullptr;  // the open ones, in the order of their beginning
  activation* last_ = nullptr;
  activation* first_ready_ = nullptr;
  activation* last_ready_ = nullptr;
};

}  // namespace tandem::actors::detail
