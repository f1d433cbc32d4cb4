// What happens when an exception leaves a task that nobody joins.
#pragma once
#include <source_location>

#include <tandem/errors/error.hpp>

namespace tandem {

/// An exception that left a task whose handle was dropped or detached.
struct escaped_exception {
  const char* task;                 ///< The task's name.
  std::source_location spawned_at;  ///< Where it was spawned.
  const error& what;                ///< The exception as an error, with its chain and stacks; print it with {:+}.
};

/// Called on the thread where the task ended, or where its handle was dropped if that came later. It must not throw and
/// must not block; when it returns, the program goes on as if the task had ended well.
using escape_handler = void (*)(const escaped_exception&) noexcept;

/// Installs the handler for the whole process and gives the one before; null installs the default again, which prints
/// the report to stderr and aborts: nobody knows what state the exception left behind.
/// Threads: any. Escapes at the same time may still go to the handler before.
escape_handler set_escape_handler(escape_handler handler) noexcept;

}  // namespace tandem
