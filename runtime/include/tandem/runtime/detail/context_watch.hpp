// Being told of the end of a context, without a task and without memory of its own: for an arm of a select.
#pragma once
#include <tandem/runtime/context.hpp>

namespace tandem::detail {

/// Somebody to be told once when a context ends. Lives in its owner, who also holds a share of the context.
///
/// `told` runs under the lock of a scope: it may take a channel's or a mailbox's lock, decide a selection and make a task
/// ready, nothing else.
struct context_watch {
  using told_function = void (*)(context_watch&) noexcept;

  explicit context_watch(told_function f) noexcept : told(f) {}
  context_watch(const context_watch&) = delete;
  context_watch& operator=(const context_watch&) = delete;

  told_function told;
  // Membership in a scope's list; guarded by its lock.
  context_watch* previous = nullptr;
  context_watch* next = nullptr;
  bool listed = false;
};

/// From now on `watch` may be told, and unwatch() must follow. False: `ctx` is over, and nobody will be told.
[[nodiscard]] bool watch_end(const context& ctx, context_watch& watch) noexcept;

/// When it returns, `told` has either run completely or will not run.
void unwatch_end(const context& ctx, context_watch& watch) noexcept;

/// True if nobody but the caller has a share of `own`, or waits to be told of its end. It stays so, as only the caller
/// could pass it on.
[[nodiscard]] bool is_used_by_nobody_else(const context& own) noexcept;

}  // namespace tandem::detail
