#include <tandem/runtime/this_task.hpp>

namespace tandem::this_task {
namespace {

detail::task_record* running() noexcept { return detail::tls_worker ? detail::tls_worker->current : nullptr; }

}  // namespace

const char* name() noexcept {
  detail::task_record* const task = running();
  return task ? task->name() : "";
}

std::uint64_t id() noexcept {
  detail::task_record* const task = running();
  return task ? task->id : 0;
}

bool cancelled() noexcept {
  detail::task_record* const task = running();
  return task && detail::context_over(*task);
}

result<void> check() {
  detail::task_record* const task = running();
  if (task && detail::context_over(*task)) return fail(detail::context_error(*task));
  return {};
}

}  // namespace tandem::this_task
