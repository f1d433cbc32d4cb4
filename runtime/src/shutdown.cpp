// Ending a scheduler: cancel, wait, stop the threads, and say what would not end.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "scheduler.hpp"
#include "task_table.hpp"

namespace tandem::detail {
namespace {

time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

constexpr std::size_t named_in_report = 16;
constexpr duration patience = std::chrono::milliseconds(20);     // for workers to come to rest
constexpr duration look_again = std::chrono::milliseconds(100);  // when some did not
// Threads get a moment of their own, even if the tasks used up the limit. Workers need none but for their turn on a
// CPU, which may be late on a busy machine; then they must not be taken for held up. So do calls, most of which are
// about a file and short, and what the kernel does for the ring: while one of them goes on, nothing can be destroyed.
constexpr duration leave_limit = std::chrono::seconds(1);

}  // namespace

void keep_for_ever(std::shared_ptr<scheduler> s) {
  static std::mutex lock;
  static auto* const kept = new std::vector<std::shared_ptr<scheduler>>;
  std::unique_lock hold(lock, std::defer_lock);
  if (!is_orphan()) hold.lock();  // else there is one thread, and the lock may be that of another
  kept->push_back(std::move(s));
}

void scheduler::rest_if_asked() noexcept {
  if (!hands_.rest_asked()) return;
  std::unique_lock hold(control_lock_);
  ++resting_;
  control_changed_.notify_all();
  control_changed_.wait(hold, [this] { return !hands_.rest_asked(); });
  --resting_;
}

bool scheduler::while_stopped(time_point deadline, const std::function<void()>& visit) {
  if (manual()) {
    const std::unique_lock nobody_plays(play_lock, std::try_to_lock);
    if (nobody_plays) visit();
    return nobody_plays.owns_lock();
  }
  const std::lock_guard alone(stop_lock_);
  std::unique_lock hold(control_lock_);
  hands_.ask_rest(true);
  const bool all = control_changed_.wait_until(hold, deadline, [this] { return resting_ == worker_count(); });
  if (all) visit();
  hands_.ask_rest(false);
  control_changed_.notify_all();
  return all;
}

// Waits right below the root are in no list; they are found here, while no task runs but `running`, whose next waits
// find the root over. What is woken meanwhile is only queued. Waits under other contexts were cancelled through those.
void scheduler::end_waits_below_root(std::span<const task_record* const> running) {
  task_table::visit(*this, [&](task_record& task) {
    if (std::ranges::find(running, &task) != running.end()) return;
    const wait_kind* const kind = task.waits_for.load(std::memory_order_relaxed);
    const context_state* const under = task.defers_context() ? nullptr : task.context();
    if (under && under->scope == root_ && kind && kind->cancel) kind->cancel(task);
  });
}

// While rest is asked for: true if each worker rests or runs the one task that it is in, and then rests. (Z1) A worker
// looks whether it should rest before it takes an item. One that took its item before it could see that was asked is
// past that look when the heavy fence is over, and enters its task before or after; so a task that is entered, as seen
// after the fence, is its last one before the rest.
bool scheduler::find_running_tasks(std::vector<const task_record*>& running) {
  running.clear();
  if (!sync::heavy_fence_prepared.load(std::memory_order_relaxed)) return false;
  sync::heavy_fence();
  for (const auto& w : workers_)
    if (const task_record* const task = w->running_task()) running.push_back(task);
  return running.size() + resting_ == worker_count();
}

bool scheduler::cancel_all(duration patience) {
  root_->cancel(make_error(errc::cancelled, "the runtime is shutting down"));
  if (manual()) {
    end_waits_below_root({});
    return true;
  }
  const std::lock_guard alone(stop_lock_);
  std::unique_lock hold(control_lock_);
  hands_.ask_rest(true);
  std::vector<const task_record*> running;
  const bool all = control_changed_.wait_for(hold, patience, [this] { return resting_ == worker_count(); });
  if (all || find_running_tasks(running)) end_waits_below_root(running);
  hands_.ask_rest(false);
  control_changed_.notify_all();
  return all;
}

// A task that holds its worker may have begun a wait just before the root was over: that one is ended when the worker
// rests, in a later turn.
bool scheduler::end_tasks(time_point deadline) {
  while (!cancel_all(patience)) {
    if (wait_for_no_tasks(std::min(deadline, steady_now() + look_again))) return true;
    if (steady_now() >= deadline) return false;
  }
  return wait_for_no_tasks(deadline);
}

// Whoever begins a task counts it, and looks whether the table closes after a light fence. Either he sees that, and
// waits for the decision, or his task is counted here.
bool scheduler::close_table(bool whatever_lives) noexcept {
  const std::lock_guard hold(table_lock_);
  table_closes_.store(true, std::memory_order_relaxed);
  sync::heavy_fence();
  const bool closes = whatever_lives || live_tasks() == 0;
  if (!closes) table_closes_.store(false, std::memory_order_relaxed);
  return closes;
}

// Whoever ends a task counts it, and looks at stopping_ after a light fence. Either he sees it and notifies, or we see
// his count.
bool scheduler::wait_for_no_tasks(time_point deadline) {
  sync::heavy_fence();
  do {
    std::unique_lock hold(control_lock_);
    if (!control_changed_.wait_until(hold, deadline, [this] { return live_tasks() == 0; })) return false;
  } while (!close_table(false));
  return true;
}

bool scheduler::stop_threads(time_point deadline) {
  hands_.stop();
  std::unique_lock hold(control_lock_);
  const bool all = control_changed_.wait_until(hold, deadline, [this] { return exited_ == threads_.size(); });
  hold.unlock();
  for (auto& t : threads_) {
    if (all) {
      t.join();
    } else {
      t.detach();
    }
  }
  threads_.clear();
  return all;
}

bool scheduler::stop_ring(time_point deadline) {
  io_ring* const made = made_ring_.load(std::memory_order_acquire);
  return !made || made->stop(deadline);
}

bool scheduler::is_thread_of_its_own() const noexcept {
  return (tls_worker && tls_worker->owner == this) || blocking_.serves_caller() || (guard_ && guard_->is_caller());
}

result<void> scheduler::shutdown(duration limit) {
  check_not_orphaned("shutdown() was called");
  if (is_thread_of_its_own()) {
    return fail(errc::failed_precondition,
                "shutdown() was called on a thread of the runtime itself, which it would wait for; tell main() to call it");
  }
  const time_point deadline = deadline_after(steady_now(), limit);
  {
    std::unique_lock hold(control_lock_);
    if (std::exchange(shut_down_, true)) {
      if (!control_changed_.wait_until(hold, deadline, [this] { return shutdown_outcome_.has_value(); }))
        return fail(errc::deadline_exceeded, "another call of shutdown() has not ended");
      return *shutdown_outcome_;
    }
  }
  result<void> outcome = shut_down_once(deadline);
  const std::lock_guard hold(control_lock_);
  shutdown_outcome_ = outcome;
  control_changed_.notify_all();
  for (parker* const sleeper : blocked_) sleeper->unpark();
  return outcome;
}

result<void> scheduler::shut_down_once(time_point deadline) {
  stopping_.store(true, std::memory_order_release);
  const bool ended = end_tasks(deadline);
  if (!ended) close_table(true);
  const std::string left = ended ? std::string() : summarize(take_census(*this), named_in_report);
  const bool calls_ended = blocking_.stop(std::max(deadline, steady_now() + leave_limit));
  if (guard_) guard_->stop();  // it must not signal threads that are gone
  if (trace_) trace_->stop();
  const bool stopped = stop_threads(std::max(deadline, steady_now() + leave_limit));
  // Only now nobody asks the ring for more.
  const bool requests_ended = stopped && stop_ring(std::max(deadline, steady_now() + leave_limit));
  if (requests_ended && calls_ended) has_threads_.reset();
  if (stopped) drain_queues();
  if (stopped) pipes_.stop();
  if (ended && calls_ended && requests_ended) return {};
  // A thread that goes on may refer to any task, so then all of them must stay; so must the memory that the kernel may
  // write to.
  if (calls_ended && requests_ended) destroy_tasks();
  const bool destroyed = live_tasks() == 0;
  if (!destroyed || !calls_ended || !requests_ended) keep_for_ever(shared_from_this());
  std::vector<std::string> parts;
  if (!left.empty()) parts.push_back((destroyed ? "destroyed tasks " : "tasks ") + left);
  if (!calls_ended) parts.push_back("a call on the blocking pool did not return");
  if (!stopped) parts.push_back("a task held its worker and never suspended");
  if (stopped && !requests_ended) parts.push_back("the kernel did not let go of a file operation");
  return fail(errc::deadline_exceeded, fmt::format("shutdown left work behind: {}", fmt::join(parts, "; ")));
}

bool scheduler::add_blocked(parker& sleeper) {
  const std::lock_guard hold(control_lock_);
  if (shutdown_outcome_) return false;
  blocked_.push_back(&sleeper);
  return true;
}

void scheduler::remove_blocked(parker& sleeper) noexcept {
  const std::lock_guard hold(control_lock_);
  std::erase(blocked_, &sleeper);
}

bool scheduler::shutdown_is_over() const noexcept {
  const std::lock_guard hold(control_lock_);
  return shutdown_outcome_.has_value();
}

}  // namespace tandem::detail
