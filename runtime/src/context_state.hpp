// The shared state behind a context, and how cancelling it reaches the waits and contexts below.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include <tandem/errors/error.hpp>
#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/pool.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/timer.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::detail {

class scheduler;
struct task_record;

/// (X1) `over` goes from false to true once, under `lock`; `why` is written before and constant after.
/// (X2) The lists are guarded by `lock`. A wait is on the list from begin_wait() until it is cancelled or ends.
/// (X3) Lock order: parent before child; under a context's lock, cancel functions take channel locks and nothing
///      else.
/// (X4) A child holds a share of its parent, which release() drops after deleting the child; the parent's list of
///      children does not count.
struct context_state : pooled {
  /// A runtime's root. Nobody cancels it but shutdown, which finds the waits in the table of live tasks: so a wait
  /// right below it costs no lock, and it does not enlist.
  explicit context_state(scheduler& root_owner) noexcept;

  /// A child of `parent_or_null`.   Errors: throws std::logic_error for a deadline with no runtime in sight.
  context_state(context_state* parent_or_null, time_point end_time);
  ~context_state();

  bool cancel(error cause) noexcept;

  bool enlist(task_record& task) noexcept;
  void delist(task_record& task) noexcept;

  [[nodiscard]] bool is_over() const noexcept { return over.load(std::memory_order_acquire); }

  std::atomic<std::uint32_t> shares{1};
  const bool enlists;
  spin_lock lock;
  std::atomic<bool> over{false};  // release store pairs with is_over(): a true answer makes `why` visible (X1)
  error why;
  time_point deadline;

  context_state* const parent;
  scheduler* const root_of = nullptr;  // set for a root only
  // Keeps the timer's heap in memory. Null for a root, for orphans, and below a context that is over.
  std::shared_ptr<scheduler> home;
  context_state* first_child = nullptr;
  context_state* previous_sibling = nullptr;  // guarded by the parent's lock, as is next_sibling
  context_state* next_sibling = nullptr;
  task_record* first_wait = nullptr;
  context_state* next_cancelled = nullptr;  // used by the one thread that made this context over

 private:
  /// Makes the context over. False if it was.
  bool end(const error& cause) noexcept;
  /// Cancels every wait on the list.
  void end_waits() noexcept;

  struct deadline_timer : timer_node {
    explicit deadline_timer(context_state& s) noexcept;
    context_state* state;
  };
  struct deadline_job : job {
    explicit deadline_job(context_state& s) noexcept;
    context_state* state;
  };
  deadline_timer timer_;
  deadline_job expire_;
};

/// True and a share taken, unless the last share is already gone.
[[nodiscard]] bool try_retain(context_state& state) noexcept;

}  // namespace tandem::detail
