#include <tandem/runtime/context.hpp>

#include <mutex>
#include <stdexcept>

#include <tandem/runtime/detail/task_record.hpp>

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

context_state::deadline_timer::deadline_timer(context_state& s) noexcept
    // Under the heap's lock: a share keeps the context alive until the job has run. No share left: it is being
    // destroyed, and its destructor waits for the heap's lock.
    : timer_node([](timer_node& node) noexcept -> job* {
        context_state& owner = *static_cast<deadline_timer&>(node).state;
        return try_retain(owner) ? &owner.expire_ : nullptr;
      }),
      state(&s) {}

context_state::deadline_job::deadline_job(context_state& s) noexcept
    : job([](job& self) noexcept {
        context_state& owner = *static_cast<deadline_job&>(self).state;
        owner.cancel(error_of(errc::deadline_exceeded));
        release(owner);
      }),
      state(&s) {}

namespace {

std::shared_ptr<scheduler> scheduler_for_deadline() {
  scheduler* const here = current_scheduler();
  if (!here) {
    throw std::logic_error(
        "tandem: a context with a deadline needs a runtime to keep its timer; derive it from runtime::root_context() "
        "or make it in a task");
  }
  return here->shared_from_this();
}

}  // namespace

context_state::context_state(scheduler& root_owner) noexcept
    : enlists(false), deadline(no_deadline), parent(nullptr), root_of(&root_owner), timer_(*this), expire_(*this) {}

context_state::context_state(context_state* parent_or_null, time_point end_time)
    : enlists(true), deadline(end_time), parent(parent_or_null), timer_(*this), expire_(*this) {
  if (parent) {
    const std::lock_guard hold(parent->lock);
    if (parent->deadline < deadline) deadline = parent->deadline;  // the parent's own timer serves it
    // A root that is over may have outlived its scheduler. One that is not cannot: shutdown ends it first, and needs
    // this lock for that.
    if (!parent->is_over()) home = parent->root_of ? parent->root_of->shared_from_this() : parent->home;
  }
  // Before anything points here, because this may throw. A timer that fires at once finds a context like any other.
  if (end_time != no_deadline && deadline == end_time && !(parent && parent->is_over())) {
    if (!home) home = scheduler_for_deadline();
    home->arm(timer_, end_time);
  }
  if (!parent) return;
  retain(*parent);
  {
    const std::lock_guard hold(parent->lock);
    if (!parent->is_over()) {
      next_sibling = parent->first_child;
      if (next_sibling) next_sibling->previous_sibling = this;
      parent->first_child = this;
      return;
    }
  }
  end(parent->why);
}

context_state::~context_state() {
  disarm_timer(timer_);
  if (!parent) return;
  const std::lock_guard hold(parent->lock);
  if (previous_sibling) previous_sibling->next_sibling = next_sibling;
  if (next_sibling) next_sibling->previous_sibling = previous_sibling;
  if (parent->first_child == this) parent->first_child = next_sibling;
}

bool context_state::end(const error& cause) noexcept {
  const std::lock_guard hold(lock);
  if (is_over()) return false;
  why = cause;
  over.store(true, std::memory_order_release);
  return true;
}

void context_state::end_waits() noexcept {
  const std::lock_guard hold(lock);
  while (task_record* task = first_wait) {
    first_wait = task->wait_next;
    if (first_wait) first_wait->wait_previous = nullptr;
    task->wait_linked = false;
    task->waits_for.load(std::memory_order_relaxed)->cancel(*task);  // constant while it is on the list (R2)
  }
}

bool context_state::cancel(error cause) noexcept {
  if (!end(cause)) return false;
  // A worklist instead of recursion: a chain of contexts may be a million deep.
  context_state* pending = this;
  retain(*this);
  while (pending) {
    context_state& current = *pending;
    pending = std::exchange(current.next_cancelled, nullptr);
    current.end_waits();
    {
      const std::lock_guard hold(current.lock);
      for (context_state* child = current.first_child; child; child = child->next_sibling) {
        // The child may be losing its last share, but it cannot go away: its destructor needs our lock. If it was over
        // already, its own canceller walks it; if no share is left, nobody waits under it.
        if (child->end(cause) && try_retain(*child)) {
          child->next_cancelled = pending;
          pending = child;
        }
      }
    }
    release(current);
  }
  return true;
}

bool context_state::enlist(task_record& task) noexcept {
  const std::lock_guard hold(lock);
  if (is_over()) return false;
  task.wait_previous = nullptr;
  task.wait_next = first_wait;
  if (first_wait) first_wait->wait_previous = &task;
  first_wait = &task;
  task.wait_linked = true;
  return true;
}

void context_state::delist(task_record& task) noexcept {
  const std::lock_guard hold(lock);
  if (!task.wait_linked) return;
  if (task.wait_previous) task.wait_previous->wait_next = task.wait_next;
  if (task.wait_next) task.wait_next->wait_previous = task.wait_previous;
  if (first_wait == &task) first_wait = task.wait_next;
  task.wait_linked = false;
}

bool begin_wait(task_record& task, const wait_kind& kind, void* operation) noexcept {
  task.waits_for.store(&kind, std::memory_order_relaxed);
  task.operation = operation;
  context_state* const context = task.context;
  if (!context) return true;
  if (!context->enlists) return !context->is_over();
  task.enlisted_in = context;
  return context->enlist(task);
}

void end_wait(task_record& task) noexcept {
  if (context_state* const context = std::exchange(task.enlisted_in, nullptr)) context->delist(task);
  task.waits_for.store(nullptr, std::memory_order_relaxed);
}

bool context_enlists(const task_record& task) noexcept { return task.context && task.context->enlists; }

bool context_over(const task_record& task) noexcept { return task.context && task.context->is_over(); }

error context_error(const task_record& task) {
  return task.context && task.context->is_over() ? task.context->why : error_of(errc::cancelled);
}

}  // namespace detail

bool context::is_over() const noexcept { return state_ && state_->is_over(); }

error context::why() const { return is_over() ? state_->why : error{}; }

time_point context::deadline() const noexcept { return state_ ? state_->deadline : no_deadline; }

cancel_source::cancel_source(const tandem::context& parent, time_point deadline)
    : child_(new detail::context_state(parent.state(), deadline)) {}

cancel_source::cancel_source() : cancel_source(this_task::context()) {}

bool cancel_source::cancel(error cause) const noexcept {
  if (!cause) {
    cause = error_of(errc::cancelled);
  } else if (cause.code() != errc::cancelled && cause.code() != errc::deadline_exceeded) {
    cause = wrap(std::move(cause), errc::cancelled, "cancelled");
  }
  return child_.state()->cancel(std::move(cause));
}

namespace this_task {

tandem::context context() noexcept {
  const detail::worker_base* const worker = detail::tls_worker;
  if (!worker || !worker->current || !worker->current->context) return {};
  detail::retain(*worker->current->context);
  return tandem::context(worker->current->context);
}

}  // namespace this_task
}  // namespace tandem
