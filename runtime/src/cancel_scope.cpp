#include <mutex>
#include <stdexcept>

#include <tandem/runtime/detail/task_record.hpp>

#include "context_state.hpp"
#include "scheduler.hpp"

namespace tandem::detail {
namespace {

constexpr int turn = 64;  // entries of a list that are handled under one hold of the lock

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

cancel_scope::deadline_timer::deadline_timer(cancel_scope& s) noexcept
    // Under the heap's lock: a share keeps the scope alive until the job has run. No share left: it is being
    // destroyed, and its destructor waits for the heap's lock.
    : timer_node([](timer_node& node) noexcept -> job* {
        cancel_scope& owner = *static_cast<deadline_timer&>(node).scope;
        return try_retain(owner) ? &owner.expire_ : nullptr;
      }),
      scope(&s) {}

cancel_scope::deadline_job::deadline_job(cancel_scope& s) noexcept
    : job([](job& self) noexcept {
        cancel_scope& owner = *static_cast<deadline_job&>(self).scope;
        owner.cancel(owner.at_deadline);
        release(owner);
      }),
      scope(&s) {}

cancel_scope::cancel_scope(scheduler& root_owner) noexcept
    : context_state(nullptr, this, nullptr),
      enlists(false),
      deadline(no_deadline),
      above(nullptr),
      root_of(&root_owner),
      timer_(*this),
      expire_(*this) {}

cancel_scope::cancel_scope(context_state* parent_or_null, time_point end_time, error said_at_deadline)
    : context_state(parent_or_null, this, parent_or_null ? parent_or_null->values : nullptr),
      enlists(true),
      at_deadline(std::move(said_at_deadline)),
      deadline(end_time),
      above(parent_or_null ? parent_or_null->scope : nullptr),
      timer_(*this),
      expire_(*this) {
  bool born_over = false;
  if (above) {
    const std::lock_guard hold(above->lock);
    if (above->deadline < deadline) deadline = above->deadline;  // that scope's own timer, or one above, serves it
    // A root that is over may have outlived its scheduler. One that is not cannot: shutdown ends it first, and needs
    // this lock for that.
    born_over = above->is_over();
    if (!born_over) home = above->root_of ? above->root_of->shared_from_this() : above->home;
  }
  // Before anything points here, because this may throw. A timer that fires at once finds a scope like any other.
  if (end_time != no_deadline && deadline == end_time && !born_over) {
    if (!home) home = scheduler_for_deadline();
    home->arm(timer_, end_time);
  }
  if (parent) retain(*parent);
  if (!above) return;
  {
    const std::lock_guard hold(above->lock);
    if (!above->is_over()) {
      next_sibling = above->first_child;
      if (next_sibling) next_sibling->previous_sibling = this;
      above->first_child = this;
      listed = true;
      return;
    }
  }
  end(above->why);
}

cancel_scope::~cancel_scope() {
  disarm_timer(timer_);
  if (above) {
    const std::lock_guard hold(above->lock);
    if (listed) unlink();
  }
  while (after_call* const call = first_call) {  // nobody else is left to use the list
    first_call = call->next;
    call->listed = false;
    call->release();
  }
}

void cancel_scope::unlink() noexcept {
  if (previous_sibling) previous_sibling->next_sibling = next_sibling;
  if (next_sibling) next_sibling->previous_sibling = previous_sibling;
  if (above->first_child == this) above->first_child = next_sibling;
  listed = false;
}

bool cancel_scope::end(const error& cause) noexcept {
  const std::lock_guard hold(lock);
  if (is_over()) return false;
  why = cause;
  over.store(true, std::memory_order_release);
  return true;
}

bool cancel_scope::end_some_waits() noexcept {
  const std::lock_guard hold(lock);
  for (int i = 0; i < turn && first_wait; ++i) {
    scope_link& wait = *first_wait;
    first_wait = wait.next;
    if (first_wait) first_wait->previous = nullptr;
    wait.linked = false;
    task_record& task = *wait.task;
    task.waits_for.load(std::memory_order_relaxed)->cancel(task);  // constant while it is on the list (R2)
  }
  return first_wait != nullptr;
}

bool cancel_scope::tell_some_watches() noexcept {
  const std::lock_guard hold(lock);
  for (int i = 0; i < turn && first_watch; ++i) {
    context_watch& watch = *first_watch;
    first_watch = watch.next;
    if (first_watch) first_watch->previous = nullptr;
    watch.listed = false;
    watch.told(watch);
  }
  return first_watch != nullptr;
}

bool cancel_scope::end_some_children(cancel_scope*& pending) noexcept {
  const std::lock_guard hold(lock);
  for (int i = 0; i < turn && first_child; ++i) {
    cancel_scope& child = *first_child;
    child.unlink();
    // The child may be losing its last share, but it cannot go away: its destructor needs our lock. If it was over
    // already, its own canceller walks it; if no share is left, nobody waits under it.
    if (child.end(why) && try_retain(child)) {
      child.next_cancelled = pending;
      pending = &child;
    }
  }
  return first_child != nullptr;
}

bool cancel_scope::start_a_call() noexcept {
  after_call* call = nullptr;
  {
    const std::lock_guard hold(lock);
    call = first_call;
    if (!call) return false;
    first_call = call->next;
    if (first_call) first_call->previous = nullptr;
    call->listed = false;
  }
  if (call->claim()) call->launch();  // A1
  call->release();
  return true;
}

bool cancel_scope::cancel(const error& cause) noexcept {
  if (!end(cause)) return false;
  // A worklist instead of recursion: a chain of contexts may be a million deep.
  cancel_scope* pending = this;
  retain(*this);
  while (pending) {
    cancel_scope& current = *pending;
    pending = std::exchange(current.next_cancelled, nullptr);
    while (current.end_some_waits()) {
    }
    while (current.tell_some_watches()) {
    }
    while (current.end_some_children(pending)) {
    }
    while (current.start_a_call()) {
    }
    release(current);
  }
  return true;
}

bool cancel_scope::enlist(scope_link& wait) noexcept {
  const std::lock_guard hold(lock);
  if (is_over()) return false;
  wait.previous = nullptr;
  wait.next = first_wait;
  if (first_wait) first_wait->previous = &wait;
  first_wait = &wait;
  wait.linked = true;
  return true;
}

void cancel_scope::delist(scope_link& wait) noexcept {
  const std::lock_guard hold(lock);
  if (!wait.linked) return;
  if (wait.previous) wait.previous->next = wait.next;
  if (wait.next) wait.next->previous = wait.previous;
  if (first_wait == &wait) first_wait = wait.next;
  wait.linked = false;
}

bool cancel_scope::is_idle() noexcept {
  const std::lock_guard hold(lock);
  return !first_child && !first_wait && !first_watch && !first_call;
}

bool cancel_scope::add(context_watch& watch) noexcept {
  const std::lock_guard hold(lock);
  if (is_over()) return false;
  watch.previous = nullptr;
  watch.next = first_watch;
  if (first_watch) first_watch->previous = &watch;
  first_watch = &watch;
  watch.listed = true;
  return true;
}

void cancel_scope::remove(context_watch& watch) noexcept {
  const std::lock_guard hold(lock);
  if (!watch.listed) return;
  if (watch.previous) watch.previous->next = watch.next;
  if (watch.next) watch.next->previous = watch.previous;
  if (first_watch == &watch) first_watch = watch.next;
  watch.listed = false;
}

bool cancel_scope::add(after_call& call) noexcept {
  const std::lock_guard hold(lock);
  if (is_over()) return false;
  call.retain();
  call.next = first_call;
  if (first_call) first_call->previous = &call;
  first_call = &call;
  call.listed = true;
  return true;
}

bool cancel_scope::remove(after_call& call) noexcept {
  const std::lock_guard hold(lock);
  if (!call.listed) return false;
  if (call.previous) call.previous->next = call.next;
  if (call.next) call.next->previous = call.previous;
  if (first_call == &call) first_call = call.next;
  call.listed = false;
  return true;
}

}  // namespace tandem::detail
