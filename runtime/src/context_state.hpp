// The part of a context that can end, and how its end reaches the waits, calls and contexts below.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>

#include <tandem/errors/error.hpp>
#include <tandem/runtime/detail/after_call.hpp>
#include <tandem/runtime/detail/context_node.hpp>
#include <tandem/runtime/detail/context_watch.hpp>
#include <tandem/runtime/detail/job.hpp>
#include <tandem/runtime/detail/spin_lock.hpp>
#include <tandem/runtime/detail/timer.hpp>
#include <tandem/runtime/time.hpp>

namespace tandem::detail {

class scheduler;
struct scope_link;

/// (X1) `over` goes from false to true once, under `lock`; `why` is written before and constant after.
/// (X2) The lists are guarded by `lock`. Nothing is added to a list of a scope that is over, so whoever made it over
///      empties them in short turns of the lock, and others may leave them in between.
/// (X3) Lock order: the scope above before the one below; under a scope's lock, cancel functions and watches take channel
///      or mailbox locks and nothing else.
/// (X4) The list of children holds no shares: a child leaves it in its destructor, or is taken off by
///      the canceller, under the lock of the scope above either way.
struct cancel_scope final : context_state {
  /// A runtime's root. Nobody cancels it but shutdown, which finds the waits in the table of live tasks: so a wait
  /// right below it costs no lock, and it does not enlist the runtime's own tasks.
  explicit cancel_scope(scheduler& root_owner) noexcept;

  /// A child of `parent_or_null`.   Errors: throws std::logic_error for a deadline with no runtime in sight.
  cancel_scope(context_state* parent_or_null, time_point end_time, error said_at_deadline);
  ~cancel_scope() override;

  bool cancel(const error& cause) noexcept;

  bool enlist(scope_link& wait) noexcept;
  void delist(scope_link& wait) noexcept;

  /// Takes a share of `call` until the end of the scope or remove(). False: the scope is over.
  [[nodiscard]] bool add(after_call& call) noexcept;
  /// True if the list gave its share of `call` to the caller.
  [[nodiscard]] bool remove(after_call& call) noexcept;

  /// False: the scope is over.
  [[nodiscard]] bool add(context_watch& watch) noexcept;
  /// Under the lock, so that a watch that is being told has been when it returns.
  void remove(context_watch& watch) noexcept;

  /// Nobody is told of its end, at some moment of the call.
  [[nodiscard]] bool is_idle() noexcept;
  [[nodiscard]] bool is_over() const noexcept { return over.load(std::memory_order_acquire); }

  const bool enlists;
  bool listed = false;  // on the list of `above`; guarded by its lock, as are the siblings
  spin_lock lock;
  std::atomic<bool> over{false};  // release store pairs with is_over(): a true answer makes `why` visible (X1)
  error why;
  const error at_deadline;  // why it will be over if its own deadline passes; dropped outside of all locks
  time_point deadline;

  cancel_scope* const above;           // the nearest scope above; null: none, or what is above never ends
  scheduler* const root_of = nullptr;  // set for a root only
  // Keeps the timer's heap in memory. Null for a root, for orphans, and below a scope that is over.
  std::shared_ptr<scheduler> home;
  cancel_scope* first_child = nullptr;
  cancel_scope* previous_sibling = nullptr;
  cancel_scope* next_sibling = nullptr;
  scope_link* first_wait = nullptr;
  context_watch* first_watch = nullptr;
  after_call* first_call = nullptr;
  cancel_scope* next_cancelled = nullptr;  // used by the one thread that made this scope over

 private:
  /// Makes the scope over. False if it was.
  bool end(const error& cause) noexcept;
  /// Leaves the list of `above`, whose lock the caller holds.
  void unlink() noexcept;

  // One short turn of the lock each. True if there may be more to do.
  bool end_some_waits() noexcept;
  bool tell_some_watches() noexcept;
  bool end_some_children(cancel_scope*& pending) noexcept;
  bool start_a_call() noexcept;

  struct deadline_timer : timer_node {
    explicit deadline_timer(cancel_scope& s) noexcept;
    cancel_scope* scope;
  };
  struct deadline_job : job {
    explicit deadline_job(cancel_scope& s) noexcept;
    cancel_scope* scope;
  };
  deadline_timer timer_;
  deadline_job expire_;
};

/// True and a share taken, unless the last share is already gone.
[[nodiscard]] bool try_retain(context_state& state) noexcept;

}  // namespace tandem::detail
