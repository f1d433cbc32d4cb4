#include <tandem/runtime/detail/task_record.hpp>

#include <atomic>
#include <new>
#include <utility>

#include <tandem/runtime/detail/promise.hpp>

#include "scheduler.hpp"

namespace tandem::detail {
namespace {

// Threads take numbers in blocks, so that a spawn costs no shared write. A task has a larger number than the one that
// spawned it: a fresh block is above all numbers given so far, as far as the spawner can know.
std::uint64_t next_task_id() noexcept {
  constexpr std::uint64_t block = 1024;
  static std::atomic<std::uint64_t> next_block{0};
  thread_local std::uint64_t last = 0;
  const std::uint64_t spawner = tls_worker && tls_worker->current ? tls_worker->current->id : 0;
  // Relaxed: what the spawner's number was taken from happened before, and every block is taken once.
  if (last % block == 0 || last < spawner) last = next_block.fetch_add(1, std::memory_order_relaxed) * block;
  return ++last;
}

// Waits below the root of their own runtime are found in the table of tasks.
bool must_enlist(const context_state* state, const scheduler* owner) noexcept {
  const cancel_scope* const scope = state ? state->scope : nullptr;
  return scope && (scope->enlists || (scope->root_of && scope->root_of != owner));
}

}  // namespace

task_record::task_record(scheduler& s, origin_id made_by) noexcept
    : wait_node(wait_node::owner::task), origin_(made_by), owner(&s), id(next_task_id()) {
  static_assert(sizeof(task_record) == 96 || TANDEM_NESTED_RESUME || sizeof(void*) != 8, "each word is paid a million times");
}

TANDEM_DETAIL_RUNS_TASKS void task_record::run() noexcept {
  if (!goes_on()) [[unlikely]] return;
  worker_base& worker = *tls_worker;
  set_running(worker, this);
  resume_directly(std::coroutine_handle<promise_base>::from_promise(*innermost));  // the record may be gone after this
  set_running(worker, nullptr);
}

void task_record::let_go(const char* name) noexcept {
  if (name) {
    try {
      origin_.store(id_of_origin(name, origin().site) | background_bit, std::memory_order_relaxed);
      return;
    } catch (...) {  // no memory for a new name: it keeps the old one
    }
  }
  origin_.fetch_or(background_bit, std::memory_order_relaxed);
}

std::uintptr_t task_record::set_context(context_state* state, scope_link& membership) noexcept {
  if (!must_enlist(state, owner)) return std::exchange(context_, reinterpret_cast<std::uintptr_t>(state));
  membership.state = state;
  membership.task = this;
  return std::exchange(context_, reinterpret_cast<std::uintptr_t>(&membership) | enlists_bit);
}

void task_record::rethrow() {
  const std::exception_ptr thrown = std::move(exception);
  exception.~exception_ptr();
  previous = nullptr;
  threw = false;
  std::rethrow_exception(thrown);
}

void task_record::hold_context(context_state* inherited) {
  if (must_enlist(inherited, owner)) {
    set_context(inherited, *new (pool_allocate(sizeof(scope_link))) scope_link);
  } else {
    context_ = reinterpret_cast<std::uintptr_t>(inherited);
  }
  counts_context_ = inherited && inherited != &owner->root();
  if (counts_context_) detail::retain(*inherited);
}

void task_record::leave_context() noexcept {
  if (!counts_context_) return;
  counts_context_ = false;
  context_state* const held = context();
  if (enlists()) pool_free(&link(), sizeof(scope_link));
  context_ = 0;
  detail::release(*held);
}

}  // namespace tandem::detail
