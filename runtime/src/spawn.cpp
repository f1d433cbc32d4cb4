#include <tandem/runtime/spawn.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/escape_handler.hpp>

#include "context_state.hpp"

namespace tandem {
namespace detail {
namespace {

void report(const char* name, const std::source_location& site, const char* end, const error& what) noexcept {
  try {
    fmt::print(stderr, "tandem: task {} ({}:{}) {}, and nobody joined it: {:+}\n", name, site.file_name(), site.line(),
               end, what);
  } catch (...) {  // no memory, or no stderr
    std::fprintf(stderr, "tandem: task %s %s, and nobody joined it\n", name, end);
  }
}

void abort_with_report(const escaped_exception& escaped) noexcept {
  report(escaped.task, escaped.spawned_at, "was ended by an exception", escaped.what);
  std::abort();
}

std::atomic<escape_handler> installed{&abort_with_report};

}  // namespace

bool ended_by_context(task_record& task, const error& what) noexcept {
  return context_over(task) && (what.is(errc::cancelled) || what.is(errc::deadline_exceeded));
}

void report_unobserved(const task_record& task, const error& what, bool escaped) noexcept {
  const auto& [name, site] = task.origin();
  if (escaped) {
    installed.load(std::memory_order_acquire)(escaped_exception{name, site, what});
  } else {
    report(name, site, "failed", what);
  }
}

context child_of(context_state* parent) {
  return context(new cancel_scope(parent, no_deadline, {}));
}

bool cancel_task(completion_base* what, const context& own, error cause) {
  if (!what) return false;
  if (!own.state()) {
    throw std::logic_error(
        "tandem: join_handle::cancel() needs a task with a context of its own; spawn it with "
        "spawn_options::cancellable()");
  }
  return !what->is_ready() && own.state()->scope->cancel(cancelled_because(std::move(cause)));
}

error ended_by_shutdown() { return make_error(errc::cancelled, "the runtime was shut down before the task had ended"); }

error join_refused(const char* why) { return make_error(errc::failed_precondition, why); }

}  // namespace detail

escape_handler set_escape_handler(escape_handler handler) noexcept {
  // Release publishes what the handler refers to; acquire gives the caller what the one before refers to.
  return detail::installed.exchange(handler ? handler : &detail::abort_with_report, std::memory_order_acq_rel);
}

}  // namespace tandem
