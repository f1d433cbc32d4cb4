#include "blocking_pool.hpp"

#include <chrono>

namespace tandem::detail {
namespace {
constexpr auto idle_limit = std::chrono::seconds(10);  // an idle thread leaves after this
}

blocking_pool::~blocking_pool() { stop(time_point(std::chrono::steady_clock::now())); }

void blocking_pool::submit(job& work) {
  {
    std::unique_lock hold(state_->lock);
    if (!state_->stopped) {
      state_->queue.push_back(&work);
      if (state_->idle >= state_->queue.size() || state_->threads == limit_) {
        state_->work_or_stop.notify_one();
        return;
      }
      ++state_->threads;
      try {
        std::thread([state = state_] { serve(state); }).detach();  // stop() waits for the count instead of joining
      } catch (...) {
        --state_->threads;
        if (state_->threads == 0) {  // nobody would ever run it
          state_->queue.pop_back();
          throw;
        }
      }
      return;
    }
  }
  work.run(work);
}

void blocking_pool::serve(const std::shared_ptr<shared>& state) noexcept {
  std::unique_lock hold(state->lock);
  for (;;) {
    if (!state->queue.empty()) {
      job& work = *state->queue.front();
      state->queue.pop_front();
      hold.unlock();
      work.run(work);
      hold.lock();
      continue;
    }
    if (state->stopped) break;
    ++state->idle;
    const bool woken = state->work_or_stop.wait_for(hold, idle_limit,
                                                    [&] { return state->stopped || !state->queue.empty(); });
    --state->idle;
    if (!woken) break;
  }
  --state->threads;
  state->thread_left.notify_all();
}

bool blocking_pool::quiet() const {
  const std::lock_guard hold(state_->lock);
  return state_->queue.empty() && state_->idle == state_->threads;
}

blocking_pool::figures blocking_pool::count() const {
  const std::lock_guard hold(state_->lock);
  return {state_->threads - state_->idle, state_->queue.size()};
}

bool blocking_pool::stop(time_point deadline) {
  std::unique_lock hold(state_->lock);
  state_->stopped = true;
  state_->work_or_stop.notify_all();
  return state_->thread_left.wait_until(hold, deadline, [&] { return state_->threads == 0; });
}

}  // namespace tandem::detail
