// Ending a scheduler: cancel, wait, stop the threads, and say what would not end.
#include <string>
#include <vector>

#include <fmt/format.h>

#include "scheduler.hpp"
#include "task_table.hpp"

namespace tandem::detail {
namespace {

time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

constexpr std::size_t named_in_report = 16;

// Tasks that would not end stay suspended for good. Whatever still points at them finds its scheduler in memory.
void keep_for_ever(std::shared_ptr<scheduler> s) {
  static std::mutex lock;
  static auto* const kept = new std::vector<std::shared_ptr<scheduler>>;
  const std::lock_guard hold(lock);
  kept->push_back(std::move(s));
}

}  // namespace

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
    visit();
    return true;
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

// Waits right below the root are in no list; they are found here, while no task runs. What is woken meanwhile is only
// queued. Waits under other contexts were cancelled through those contexts.
void scheduler::end_waits_below_root() {
  task_table::visit(*this, [this](task_record& task) {
    const wait_kind* const kind = task.waits_for.load(std::memory_order_relaxed);
    const context_state* const under = task.context();
    if (under && under->scope == root_ && kind && kind->cancel) kind->cancel(task);
  });
}

bool scheduler::cancel_all(time_point deadline) {
  root_->cancel(make_error(errc::cancelled, "the runtime is shutting down"));
  return while_stopped(deadline, [this] { end_waits_below_root(); });
}

// Whoever ends a task counts it, and looks at stopping_ after a light fence. Either he sees it and notifies, or we see
// his count.
bool scheduler::wait_for_no_tasks(time_point deadline) {
  sync::heavy_fence();
  std::unique_lock hold(control_lock_);
  return control_changed_.wait_until(hold, deadline, [this] { return live_tasks() == 0; });
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

void scheduler::discard_leftovers() noexcept {
  const auto discard = [this](queue_item item) {
    if ((item & item_kind) == foreign_item && host.discard) host.discard(host.host, item);
  };
  for (auto& w : workers_)
    while (const queue_item item = w->next_local()) discard(item);
  for (const queue_item item : hands_.drain_injected()) discard(item);
}

result<void> scheduler::shutdown(duration limit) {
  {
    const std::lock_guard hold(control_lock_);
    if (shut_down_) return {};
    shut_down_ = true;
  }
  const time_point start = steady_now();
  const time_point deadline = limit >= no_deadline - start ? no_deadline : start + limit;
  stopping_.store(true, std::memory_order_release);
  const bool rested = cancel_all(deadline);
  const bool ended = rested && wait_for_no_tasks(deadline);
  const std::string left = ended ? std::string() : summarize(take_census(*this), named_in_report);
  const bool calls_ended = blocking_.stop(deadline);
  if (guard_) guard_->stop();  // it must not signal threads that are gone
  if (trace_) trace_->stop();
  // Threads get a moment of their own even if the tasks and calls used up the limit: an idle worker leaves at once.
  const bool stopped = stop_threads(std::max(deadline, steady_now() + std::chrono::milliseconds(100)));
  if (stopped) discard_leftovers();
  if (ended && calls_ended && stopped) return {};
  keep_for_ever(shared_from_this());
  std::vector<std::string> parts;
  if (!left.empty()) parts.push_back("tasks " + left);
  if (!calls_ended) parts.push_back("a call on the blocking pool did not return");
  if (!stopped) parts.push_back("a task held its worker and never suspended");
  return fail(errc::deadline_exceeded, fmt::format("shutdown left work behind: {}", fmt::join(parts, "; ")));
}

}  // namespace tandem::detail
