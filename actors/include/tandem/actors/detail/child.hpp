// What a supervisor knows of a child, and a child of its supervisor.
#pragma once
#include <cstdint>
#include <memory>
#include <source_location>

#include <tandem/errors/error.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem::detail {
class scheduler;
}  // namespace tandem::detail

namespace tandem::actors::detail {

struct life_line;

/// One life of a child: what it says here reaches the supervisor that started it, unless that gave the life up.
///
/// Owns:    a share of the supervisor's inbox, nothing else.
/// Threads: every member may be called from any thread.
class child_life {
 public:
  explicit child_life(std::shared_ptr<const life_line> line) noexcept : line_(std::move(line)) {}

  /// The child is up: the supervisor goes on.
  void ready() const noexcept;
  /// The child is gone, and all that was part of it. No reason: it ended by itself; if it was not ready, that means
  /// that there is nothing to run. Comes once.
  void ended(error reason) const noexcept;
  /// A context that is never over, and says whose child this is (supervisor_core.hpp).
  [[nodiscard]] const context& base_context() const noexcept;
  /// Starts a task of the child. `name` is a literal.   Errors: throws std::bad_alloc.
  void spawn(task<void> body, const char* name, context under, std::source_location where) const;
  [[nodiscard]] tandem::detail::scheduler& home() const noexcept;
  /// For the seeds of random numbers: differs from system to system, but not in simulations.
  [[nodiscard]] std::uint64_t salt() const noexcept;

 private:
  std::shared_ptr<const life_line> line_;
};

/// Something that is started, ends, and may be started again: a task, a group, an actor, a supervisor.
///
/// (V3) Its supervisor calls start(), then perhaps stop(), kill(), or both, then start() again, once the life has ended
///      or was given up; at last, perhaps, retire(). All by one task at a time.
class child {
 public:
  child() = default;
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  virtual ~child() = default;

  /// Begins a life. True: it is up; otherwise child_life::ready() says so later, or ended() that it failed to come up.
  /// Errors: throws why it could not begin; then nothing else is heard of it.
  [[nodiscard]] virtual bool start(const child_life& life) = 0;
  /// Asks it to end.
  virtual void stop(const error& reason) noexcept = 0;
  /// The supervisor waits no longer.
  virtual void kill(const error& reason) noexcept = 0;
  /// True if ended() follows kill() without fail, and soon: the supervisor waits for it.
  [[nodiscard]] virtual bool dies_when_killed() const noexcept { return false; }
  /// It will not be started again.
  virtual void retire(const error& /*reason*/) noexcept {}
};

}  // namespace tandem::actors::detail
