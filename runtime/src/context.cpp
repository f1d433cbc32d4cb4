#include <tandem/runtime/context.hpp>

#include <mutex>
#include <stdexcept>

#include <tandem/runtime/detail/context_watch.hpp>
#include <tandem/runtime/detail/task_record.hpp>
#include <tandem/runtime/this_task.hpp>

#include "context_state.hpp"
#include "scheduler.hpp"

namespace tandem {
namespace detail {

void retain(context_state& state) noexcept {
  state.shares.fetch_add(1, std::memory_order_relaxed);  // the caller's share keeps it alive
}

void release(context_state& state) noexcept {
  // Release: this owner's accesses come before the delete; acquire: the last owner sees all of them.
  // A loop instead of recursion through destructors: a chain of contexts may be a million long.
  context_state* last = &state;
  while (last && last->shares.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    context_state* const parent = last->parent;
    delete last;
    last = parent;
  }
}

bool try_retain(context_state& state) noexcept {
  std::uint32_t seen = state.shares.load(std::memory_order_relaxed);  // the CAS below decides
  while (seen != 0)
    if (state.shares.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) return true;
  return false;
}

const context_value* find_value(const context_state* state, const void* key) noexcept {
  const context_value* at = state ? state->values : nullptr;
  while (at && at->key != key) at = at->parent ? at->parent->values : nullptr;
  return at;
}

error cancelled_because(error cause) noexcept {
  if (!cause) return error_of(errc::cancelled);
  if (cause.code() == errc::cancelled || cause.code() == errc::deadline_exceeded) return cause;
  try {
    return wrap(std::move(cause), errc::cancelled, "cancelled");
  } catch (...) {  // no memory to say why; that it is over matters more
    return error_of(errc::cancelled);
  }
}

namespace {

// A node without an end, for the values above it.
struct endless final : context_state {
  explicit endless(context_value& above) noexcept : context_state(&above, nullptr, &above) { retain(above); }
};

cancel_scope* scope_of(task_record& task) noexcept {
  context_state* const state = task.context();
  return state ? state->scope : nullptr;
}

}  // namespace

bool begin_wait(task_record& task, const wait_kind& kind, void* operation) noexcept {
  if (task.announces) task.about_to_wait();
  task.waits_for.store(&kind, std::memory_order_relaxed);
  task.what = operation;
  if (!task.enlists()) return !context_over(task);
  task.enlisted = true;
  return task.link().state->scope->enlist(task.link());
}

bool watch_end(const context& ctx, context_watch& watch) noexcept {
  cancel_scope* const scope = ctx.state() ? ctx.state()->scope : nullptr;
  return !scope || scope->add(watch);
}

void unwatch_end(const context& ctx, context_watch& watch) noexcept {
  if (cancel_scope* const scope = ctx.state() ? ctx.state()->scope : nullptr) scope->remove(watch);
}

bool is_used_by_nobody_else(const context& own) noexcept {
  context_state* const state = own.state();
  // Acquire: pairs with the release of whoever gave up the last share but one. Who waits may do so without a share.
  return state && state->shares.load(std::memory_order_acquire) == 1 && (!state->scope || state->scope->is_idle());
}

void end_wait(task_record& task) noexcept {
  // The task was suspended meanwhile, so its context is still the one it began to wait under.
  if (task.enlisted) {
    task.enlisted = false;
    task.link().state->scope->delist(task.link());
  }
  task.waits_for.store(nullptr, std::memory_order_relaxed);
}

bool context_over(task_record& task) noexcept {
  const cancel_scope* const scope = scope_of(task);
  return scope && scope->is_over();
}

error context_error(task_record& task) {
  const cancel_scope* const scope = scope_of(task);
  return scope && scope->is_over() ? scope->why : error_of(errc::cancelled);
}

}  // namespace detail

namespace {

const detail::cancel_scope* scope_of(const detail::context_state* state) noexcept {
  return state ? state->scope : nullptr;
}

}  // namespace

bool context::is_over() const noexcept {
  const detail::cancel_scope* const scope = scope_of(state_);
  return scope && scope->is_over();
}

error context::why() const { return is_over() ? state_->scope->why : error{}; }

time_point context::deadline() const noexcept {
  const detail::cancel_scope* const scope = scope_of(state_);
  return scope ? scope->deadline : no_deadline;
}

context without_cancel(const context& parent) {
  const detail::context_state* const state = parent.state();
  if (!state || !state->values) return {};
  // Below the value, not below `parent`: scopes in between are of no use to it, and need not be kept in memory.
  return context(new detail::endless(*state->values));
}

cancel_source::cancel_source(const tandem::context& parent, time_point deadline, error cause)
    : child_(new detail::cancel_scope(
          parent.state(), deadline,
          cause ? wrap(std::move(cause), errc::deadline_exceeded, "the deadline passed")
                : error_of(errc::deadline_exceeded))) {}

cancel_source::cancel_source() : cancel_source(this_task::context()) {}

bool cancel_source::cancel(error cause) const noexcept {
  return child_.state()->scope->cancel(detail::cancelled_because(std::move(cause)));
}

namespace this_task {

tandem::context context() noexcept {
  const detail::worker_base* const worker = detail::tls_worker;
  detail::context_state* const state = worker && worker->current ? worker->current->context() : nullptr;
  if (state) detail::retain(*state);
  return tandem::context(state);
}

}  // namespace this_task
}  // namespace tandem
