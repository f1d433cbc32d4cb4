#include "fake_task.hpp"

#include <mutex>
#include <source_location>
#include <utility>

#include <tandem/runtime/detail/object_observer.hpp>

namespace tandem {

time_point now() noexcept { return model::clock_now_is; }

namespace detail {

constinit thread_local worker_base* tls_worker = nullptr;
constinit std::atomic<object_observer*> installed_object_observer{nullptr};

// The runtime's own stands beside timers and contexts, which are not modelled; nobody joins here.
const wait_kind& completion_base::joined_as() const noexcept {
  static constexpr wait_kind none{"", nullptr};
  return none;
}

task_record::task_record(scheduler& s, origin_id made_by) noexcept
    : wait_node(wait_node::owner::task), origin_(made_by), owner(&s), id(1) {}
void task_record::run() noexcept {}
void record_free(void* memory, std::size_t) noexcept { ::operator delete(memory); }
const task_origin& origin_of(origin_id) noexcept {
  static const task_origin nowhere{"task", std::source_location::current()};
  return nowhere;
}

time_point clock_of(const scheduler&) noexcept { return model::clock_now_is += model::clock_step; }

bool begin_wait(task_record& task, const wait_kind& kind, void* operation) noexcept {
  auto& fake = static_cast<model::fake_task&>(task);
  task.waits_for.store(&kind, std::memory_order_relaxed);
  task.what = operation;
  const std::lock_guard hold(fake.scope);
  fake.listed = !fake.over.load(std::memory_order_acquire);
  return fake.listed;
}
void end_wait(task_record& task) noexcept {
  auto& fake = static_cast<model::fake_task&>(task);
  const std::lock_guard hold(fake.scope);
  fake.listed = false;
  task.waits_for.store(nullptr, std::memory_order_relaxed);
}
bool context_over(task_record& task) noexcept {
  return static_cast<const model::fake_task&>(task).over.load(std::memory_order_acquire);
}
error context_error(task_record&) { return error_of(errc::cancelled); }
void schedule_behind_others(task_record& task) noexcept { make_ready(task); }
void yield_to_others(task_record&) noexcept { model::fail("a slice was used up"); }

}  // namespace detail

namespace model {

void fake_task::cancel() {
  {
    const std::lock_guard hold(scope);
    over.store(true, std::memory_order_release);
  }
  const std::lock_guard hold(scope);
  if (std::exchange(listed, false)) waits_for.load(std::memory_order_relaxed)->cancel(*this);
}

void prepare_fake_tasks() {
  on_make_ready = [](detail::task_record& task) { static_cast<fake_task&>(task).sleeper.unpark(); };
  clock_now_is = time_point{};
  clock_step = duration{};
}

}  // namespace model
}  // namespace tandem
