// What every task of the process is doing, as text. kill -QUIT prints it, once print_task_dump_on() was called.
#pragma once
#include <csignal>
#include <string>

#include <tandem/errors/result.hpp>

namespace tandem {

/// The live tasks of every runtime of the process, and the actors on it. Those in the same place are told together:
///
/// ```
/// tandem: 1103 tasks on 2 workers
///    1000 x consumer (src/feed.cpp:41), waiting for a value from a channel (src/feed.cpp:30)
///            awaited by next_order(tandem::csp::receiver<order>&) at src/feed.cpp:22
///            awaited by consume(tandem::csp::receiver<order>) at src/feed.cpp:27
///     102 x session 7 and others (actor session), waiting for a message
///       1 x main (src/main.cpp:9), ready to run
///            awaited by serve() at src/main.cpp:31
/// ```
/// After a task's name comes where it was spawned; after what it waits for, where that was made (of a task that is
/// joined: where it was spawned); then the line of each co_await, innermost first: of a task that is ready, where it
/// yielded. At most 64 places for a runtime, with 16 lines each; what is left out is counted.
///
/// Workers are stopped for the moment it takes if they come to rest within 50 ms; if a task holds one for longer, or
/// the caller is a task, the others go on meanwhile, and the places behind waits and the awaits are left out.
/// Threads: any. Takes some 100 ns for each task and each coroutine that it awaits, and the first time up to a second
///          to read the debug information, with nothing stopped.
[[nodiscard]] std::string dump_tasks();

/// From now on `signal` prints dump_tasks() to stderr, on a thread of its own; the process lives on.
///
/// Nobody calls this but you: a library does not take a signal from the program it is part of. Replaces the signal's
/// handler. A child of fork() that does not exec ignores the signal.
/// Threads: any. May be called for several signals.
/// Errors: errc::invalid_argument for no signal, or one that cannot be handled; errc::resource_exhausted without a
///         descriptor or thread to spare.
result<void> print_task_dump_on(int signal = SIGQUIT);

}  // namespace tandem
