#include <tandem/csp/detail/channel_base.hpp>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>

namespace tandem::csp::detail {

channel_base::partner channel_base::claim_past_selects(wait_list& list) noexcept {
  while (wait_node* const node = list.first()) {
    list.unlink(*node);
    if (node->owned_by != wait_node::owner::select) return {node, true};
    switch (select_of(*node).select->claim(select_of(*node).arm)) {
      case selection::claimed::lost: continue;  // decided elsewhere: a dead node (C4)
      case selection::claimed::registering: return {node, false};
      case selection::claimed::parked: return {node, true};
    }
  }
  return {};
}

channel_base::partner channel_base::claim_with(wait_list& list, selection& own, std::uint32_t arm,
                                               bool& lost) noexcept {
  wait_node* next = nullptr;
  for (wait_node* node = list.first(); node; node = next) {
    next = node->next;
    if (node->owned_by != wait_node::owner::select) {
      // A plain waiter cannot leave while we hold the lock, so only our own word must be won.
      if (!own.decide(arm)) {
        lost = true;
        return {};
      }
      list.unlink(*node);
      return {node, true};
    }
    const select_node& other = select_of(*node);
    if (other.select == &own) continue;  // both ends of one channel in one select: never a pair
    auto peer = selection::claimed::lost;
    switch (own.decide_with(arm, *other.select, other.arm, peer)) {
      case selection::paired::self_decided: lost = true; return {};
      case selection::paired::peer_gone: list.unlink(*node); continue;
      case selection::paired::both: list.unlink(*node); return {node, peer == selection::claimed::parked};
    }
  }
  return {};
}

bool channel_base::close() noexcept {
  wake_chain woken;
  {
    const std::lock_guard hold(lock_);
    if (closed_.load(std::memory_order_relaxed)) return false;
    closed_.store(true, std::memory_order_relaxed);  // readers without the lock take it as a hint
    complete_all(receivers_, progress::closed, woken);
    complete_all(senders_, progress::closed, woken);
  }
  woken.wake();
  return true;
}

void channel_base::close_by_last(const wait_list& own, const char* side) noexcept {
  const tandem::detail::worker_base* const worker = tandem::detail::tls_worker;
  if (!worker || !worker->destroys_tasks) {
    const std::lock_guard hold(lock_);
    for (wait_node* node = own.first(); node; node = node->next) {
      const bool live = node->owned_by != wait_node::owner::select || select_of(*node).select->decided() < 0;
      if (live) [[unlikely]]
        destroyed_while_in_use(*node, side);
    }
  }
  close();
}

void channel_base::destroyed_while_in_use(wait_node& waiter, const char* side) const noexcept {
  const char* who = "a thread";
  if (waiter.owned_by == wait_node::owner::task) who = task_of(waiter).name();
  if (waiter.owned_by == wait_node::owner::select) who = select_of(waiter).select->owner().name();
  std::fprintf(stderr,
               "tandem: the last %s of a channel (%s:%u) was destroyed while '%s' waits by it. Let handles outlive the "
               "operations on them: give each task its own.\n",
               side, site_.file_name(), static_cast<unsigned>(site_.line()), who);
  std::abort();
}

void channel_base::complete_all(wait_list& list, progress how, wake_chain& woken) noexcept {
  for (partner ended = claim_first(list); ended.node; ended = claim_first(list)) {
    ended.node->outcome = static_cast<std::uint8_t>(how);
    if (ended.wakes) woken.add(*ended.node);  // it is suspended until then (C5)
  }
}

namespace {

channel_base& channel_of(const task_record& task) noexcept {
  return channel_base::at(static_cast<const operands*>(task.what)->where);
}

void cancel(channel_base& channel, void (channel_base::*leave)(wait_node&) noexcept, task_record& task) noexcept {
  {
    const std::lock_guard hold(channel);
    if (!task.linked) return;  // not waiting yet, or a peer ended the wait (C3)
    (channel.*leave)(task);
    task.outcome = static_cast<std::uint8_t>(progress::over);
  }
  tandem::detail::make_ready(task);
}

void leave(channel_base& channel, void (channel_base::*unlink)(wait_node&) noexcept, task_record& task) noexcept {
  {
    const std::lock_guard hold(channel);
    // Still waiting: the outcome would be that of an earlier wait.
    if (task.linked) task.outcome = static_cast<std::uint8_t>(progress::over);
    (channel.*unlink)(task);
  }
  tandem::detail::end_wait(task);
}

}  // namespace

std::source_location channel_base::origin(const task_record& task) noexcept {
  return channel_of(task).site_;
}

constinit const tandem::detail::wait_kind channel_base::as_sender{
    "room in a channel",
    [](task_record& task) noexcept {
      cancel(channel_of(task), &channel_base::leave_senders, task);
    },
    &channel_base::origin,
    [](task_record& task) noexcept {
      leave(channel_of(task), &channel_base::leave_senders, task);
    }};

constinit const tandem::detail::wait_kind channel_base::as_receiver{
    "a value from a channel",
    [](task_record& task) noexcept {
      cancel(channel_of(task), &channel_base::leave_receivers, task);
    },
    &channel_base::origin,
    [](task_record& task) noexcept {
      leave(channel_of(task), &channel_base::leave_receivers, task);
    }};

channel_base& channel_base::never_ready() noexcept {
  struct never_ready_channel : channel_base {
    constexpr never_ready_channel() noexcept : channel_base({}) {}
  };
  static constinit never_ready_channel never;
  return never;
}

}  // namespace tandem::csp::detail
