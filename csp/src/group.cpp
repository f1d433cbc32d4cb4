#include <tandem/csp/group.hpp>

#include <cstdio>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/spawn.hpp>

namespace tandem::csp {
namespace detail {

namespace {

void report(const std::source_location& site, const error& what) noexcept {
  try {
    fmt::print(stderr, "tandem: nobody waited for the group made at {}:{}, in which a task failed: {:+}\n",
               site.file_name(), site.line(), what);
  } catch (...) {
    std::fputs("tandem: a task of a group nobody waited for failed\n", stderr);
  }
}

bool says_context_over(const error& e) noexcept { return e == errc::cancelled || e == errc::deadline_exceeded; }

}  // namespace

bool group_state::try_reserve() noexcept {
  const std::lock_guard hold(lock_);
  if (running_ >= limit_ || !queued_.empty()) return false;
  ++running_;
  return true;
}

error group_state::launch(group_body body) noexcept {
  if (context().is_over()) return context().why();  // the body goes here, while its slot still holds the group (G1)
  try {
    spawn(std::move(body.run), spawn_options(body.name, context()), body.where).disown();
    return {};
  } catch (...) {
    return from_exception(std::current_exception());
  }
}

void group_state::start(group_body body) noexcept {
  if (error failed = launch(std::move(body))) ended(std::move(failed));
}

void group_state::start_or_queue(group_body body) {
  {
    const std::lock_guard hold(lock_);
    if (running_ >= limit_ || !queued_.empty()) {
      queued_.push_back(std::move(body));
      return;
    }
    ++running_;
  }
  start(std::move(body));
}

void group_state::set_limit(std::size_t n) noexcept {
  {
    const std::lock_guard hold(lock_);
    limit_ = n;
  }
  start_queued();
}

void group_state::start_queued() noexcept {
  for (;;) {
    std::unique_lock hold(lock_);
    if (queued_.empty() || running_ >= limit_) return;
    ++running_;
    group_body next(std::move(queued_.front()));
    queued_.pop_front();
    hold.unlock();
    start(std::move(next));
  }
}

void group_state::ended(error outcome) noexcept {
  for (;;) {  // once per queued body that could not start, which may be many
    if (outcome) fail_with(std::move(outcome));
    wait_node* to_wake = nullptr;
    std::optional<group_body> next;
    {
      const std::lock_guard hold(lock_);
      if (!queued_.empty() && running_ <= limit_) {
        next.emplace(std::move(queued_.front()));  // our slot is now its slot
        queued_.pop_front();
      } else if (--running_; idle() && waiter_) {
        to_wake = std::exchange(waiter_, nullptr);
        to_wake->linked = false;
        to_wake->outcome = static_cast<std::uint8_t>(progress::done);
      }
    }
    if (to_wake) wake(*to_wake);
    if (!next) return;
    outcome = launch(std::move(*next));
    if (!outcome) return;
  }
}

void group_state::fail_with(error cause) noexcept {
  bool first = false;
  bool unheard = false;
  {
    const std::lock_guard hold(lock_);
    first = !first_;
    if (first) {
      first_ = cause;
      seen_ = abandoned_;
    }
    unheard = abandoned_ && !says_context_over(cause);
  }
  if (unheard) report(site_, cause);
  if (first) source_.cancel(std::move(cause));
}

void group_state::abandon() noexcept {
  error unseen;
  bool running = false;
  std::deque<group_body> dropped;  // they would never run, and each has a share of the group
  {
    const std::lock_guard hold(lock_);
    abandoned_ = true;
    running = !idle();
    dropped.swap(queued_);
    if (!std::exchange(seen_, true) && !says_context_over(first_)) unseen = first_;
  }
  if (unseen) report(site_, unseen);
  if (running) source_.cancel(error_of(errc::cancelled));
  release();
}

result<void> group_state::verdict() noexcept {
  const std::lock_guard hold(lock_);
  seen_ = true;
  if (first_) return fail(first_);
  return {};
}

std::source_location group_state::origin(const task_record& task) noexcept {
  return static_cast<const group_state*>(task.operation)->site_;
}

constinit const tandem::detail::wait_kind group_state::drained{
    "the tasks of a group", &group_state::cancel_drained, &group_state::origin, &group_state::leave_drained};
constinit const tandem::detail::wait_kind group_state::drained_patiently{
    "the cancelled tasks of a group", nullptr, &group_state::origin, &group_state::leave_drained};

void group_state::leave_drained(task_record& task) noexcept {
  auto& state = *static_cast<group_state*>(task.operation);
  {
    const std::lock_guard hold(state.lock_);
    if (std::exchange(task.node.linked, false)) state.waiter_ = nullptr;
  }
  tandem::detail::end_wait(task);
}

void group_state::cancel_drained(task_record& task) noexcept {
  auto& state = *static_cast<group_state*>(task.operation);
  {
    const std::lock_guard hold(state.lock_);
    if (!task.node.linked) return;
    task.node.linked = false;
    task.node.outcome = static_cast<std::uint8_t>(progress::over);
    state.waiter_ = nullptr;
  }
  tandem::detail::make_ready(task);
}

bool drained_operation::wait(task_record& task) noexcept {
  if (interruptible_) {
    waits_ = true;
    if (!tandem::detail::begin_wait(task, group_state::drained, &state_)) {
      outcome_ = progress::over;
      return false;
    }
  } else {
    task.operation = &state_;
    task.waits_for.store(&group_state::drained_patiently, std::memory_order_relaxed);
  }
  const std::lock_guard hold(state_.lock_);
  // The order of looking matters: whoever ends the context marks it first and then looks for the node, under lock_.
  if (state_.idle()) {
    outcome_ = progress::done;
  } else if (interruptible_ && context_over(task)) {
    outcome_ = progress::over;
  } else {
    task.node.task = &task;
    task.node.select = nullptr;
    task.node.linked = true;
    state_.waiter_ = &task.node;
    return true;
  }
  return false;
}

bool drained_operation::await_resume() noexcept {
  task_record& task = current_task();
  if (waits_) {
    tandem::detail::end_wait(task);
  } else {
    task.waits_for.store(nullptr, std::memory_order_relaxed);
  }
  if (outcome_ == progress::blocked) outcome_ = static_cast<progress>(task.node.outcome);
  return outcome_ == progress::done;
}

}  // namespace detail

task<result<void>> group::wait() {
  using mode = detail::drained_operation::mode;
  if (const bool drained = co_await detail::drained_operation(*state_, mode::interruptible); !drained) {
    state_->fail_with(detail::context_error(detail::current_task()));
    (void)co_await detail::drained_operation(*state_, mode::patient);
  }
  co_return state_->verdict();
}

}  // namespace tandem::csp
