// What waits, and what for: the node in a list of waiters, and the kinds of waits.
#pragma once
#include <cstdint>
#include <exception>
#include <source_location>

namespace tandem::detail {

class task_record;

/// A place in a list of waiters, of a channel or of a group. A task is its own node for a plain operation, because a
/// chain of coroutines waits in one place at a time; an arm of a select has one, and so has a thread that waits. A node
/// of nobody's waits for nothing: it is memory that its list hands out to be freed.
///
/// Everything but `linked` is written by the waiting party before it links the node, and then belongs to the holder of
/// the list's lock. `linked` is written under that lock; a stale false read outside of it is impossible (see csp).
struct wait_node {
  enum class owner : std::uint8_t { task, select, thread, nobody };

  explicit wait_node(owner o) noexcept : owned_by(o) {}
  wait_node(const wait_node&) = delete;
  wait_node& operator=(const wait_node&) = delete;
  ~wait_node() {}  // whoever holds an exception takes it out

  union {
    wait_node* previous = nullptr;
    std::exception_ptr exception;  // of a task that does not wait: see task_record::hold_exception()
  };
  wait_node* next = nullptr;
  void* what = nullptr;      // a task: its operation; else: where to take the value from, or put it
  std::uint8_t outcome = 0;  // what ended the wait; its meaning is the list's
  bool linked = false;
  const owner owned_by;
};

/// What a task can wait for: one static object for each kind of operation. Waiting costs nothing more for it, and a
/// report can tell who waits for what.
struct wait_kind {
  const char* name;                            ///< Completes "waiting for …". A literal.
  void (*cancel)(task_record& task) noexcept;  ///< Ends the wait early; null if only what is waited for ends it.
  /// Where that was made; null if it has no such place. Called only while `task` waits and nothing runs.
  std::source_location (*origin)(const task_record& task) noexcept = nullptr;
  /// Gives up a wait that somebody has ended, of a task that will not run again: nobody refers to the operation then.
  /// Called while no task of the runtime runs. Null: such a task must stay in memory.
  void (*leave)(task_record& task) noexcept = nullptr;
  /// For a wait whose task has `looks` set: called when it was made ready, on the worker that is to run it. False: it
  /// must wait on, and may run elsewhere already.
  bool (*look)(task_record& task) noexcept = nullptr;
  /// Only a runtime's workers end it, even if others ask for that by `cancel`.
  bool ended_by_workers_only = false;
};

}  // namespace tandem::detail
