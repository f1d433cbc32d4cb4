#include <tandem/runtime/after_func.hpp>

#include <mutex>
#include <stdexcept>

#include "context_state.hpp"
#include "scheduler.hpp"

namespace tandem {
namespace detail {

std::shared_ptr<scheduler> runtime_for_call(const context& ctx) {
  if (ctx.state() && ctx.state()->scope) {
    cancel_scope& scope = *ctx.state()->scope;
    const std::lock_guard hold(scope.lock);
    if (scope.home) return scope.home;
    // As for a child: a root that is not over has its scheduler, because shutdown needs this lock to end it.
    if (scope.root_of && !scope.is_over()) return scope.root_of->shared_from_this();
  }
  if (scheduler* const here = current_scheduler()) return here->shared_from_this();
  for (const cancel_scope* at = ctx.state() ? ctx.state()->scope : nullptr; at; at = at->above)
    if (at->root_of) return nullptr;  // over, or one below it was made when it was
  throw std::logic_error(
      "tandem: after_func() needs a runtime to call the function on; derive the context from runtime::root_context() "
      "or call after_func() in a task");
}

bool still_runs(const scheduler& s) noexcept { return !s.stopped(); }

void call_at_end(const context& ctx, after_call& call) noexcept {
  cancel_scope* const scope = ctx.state() ? ctx.state()->scope : nullptr;
  if (!scope || scope->add(call)) return;
  if (call.claim()) call.launch();  // A1
}

}  // namespace detail

bool after_handle::stop() noexcept {
  detail::after_call* const call = std::exchange(call_, nullptr);
  const context ctx = std::exchange(context_, {});
  if (!call) return false;
  const bool prevented = call->claim();  // A1
  if (prevented && ctx.state() && ctx.state()->scope && ctx.state()->scope->remove(*call)) call->release();
  call->release();
  return prevented;
}

}  // namespace tandem
