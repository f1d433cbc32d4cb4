#include "blocking_pool.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "fork.hpp"

namespace tandem::detail {
namespace {

time_point steady_now() noexcept { return std::chrono::steady_clock::now(); }

}  // namespace

constinit thread_local const blocking_pool::shared* blocking_pool::served_ = nullptr;

blocking_pool::blocking_pool(unsigned limit, duration idle_limit)
    : state_(std::make_shared<shared>(std::max(limit, 1U), idle_limit)) {}

blocking_pool::~blocking_pool() { stop(steady_now()); }

// Under the lock. A thread may not be had: then nothing changes, and the error is thrown.
void blocking_pool::bring_thread(const std::shared_ptr<shared>& state) {
  if (!state->idle.empty()) {
    idler& last = *state->idle.back();
    state->idle.pop_back();
    last.called = true;
    last.woken.notify_one();
  } else if (state->threads < state->limit) {
    state->idle.reserve(state->threads + 1);  // so that falling idle cannot fail
    std::thread([state] { serve(state); }).detach();  // stop() waits for the count instead of joining
    ++state->threads;
  } else {
    return;
  }
  ++state->coming;
}

bool blocking_pool::submit(pool_job& work) {
  {
    const std::lock_guard hold(state_->lock);
    if (work.where == pool_job::place::refused) return false;
    if (!state_->stopped) {
      state_->queue.push_back(work);
      work.where = pool_job::place::queued;
      try {
        if (state_->queue.size() > state_->coming) bring_thread(state_);
      } catch (...) {
        if (state_->threads == 0) {  // nobody would ever run it
          state_->queue.remove(work);
          work.where = pool_job::place::outside;
          throw;
        }
      }
      return true;
    }
  }
  work.run(work);
  return true;
}

bool blocking_pool::withdraw(pool_job& work) noexcept {
  const std::lock_guard hold(state_->lock);
  const bool queued = work.where == pool_job::place::queued;
  if (queued) state_->queue.remove(work);
  work.where = pool_job::place::refused;
  return queued;
}

// True if there may be a call to run.
bool blocking_pool::wait_for_call(shared& state, std::unique_lock<std::mutex>& hold) noexcept {
  idler self;
  state.idle.push_back(&self);
  const auto until = steady_now() + state.idle_limit;
  if (self.woken.wait_until(hold, until, [&] { return self.called || state.stopped; }) && self.called) {
    --state.coming;
    return true;
  }
  std::erase(state.idle, &self);
  return false;
}

void blocking_pool::serve(const std::shared_ptr<shared>& state) noexcept {
  served_ = state.get();
  std::unique_lock hold(state->lock);
  --state->coming;
  do {
    while (!state->queue.empty()) {
      pool_job& work = state->queue.take_front();
      work.where = pool_job::place::outside;
      try {
        if (state->queue.size() > state->coming) bring_thread(state);  // B1
      } catch (...) {
        // As few threads as there are will have to do.
      }
      hold.unlock();
      work.run(work);
      if (is_orphan()) abort_orphan("a blocking call that forked ended");
      hold.lock();
    }
  } while (!state->stopped && wait_for_call(*state, hold));
  --state->threads;
  state->thread_left.notify_all();
}

bool blocking_pool::quiet() const {
  const std::lock_guard hold(state_->lock);
  return state_->queue.empty() && state_->idle.size() == state_->threads;
}

blocking_pool::figures blocking_pool::count() const {
  const std::lock_guard hold(state_->lock);
  return {state_->threads - state_->idle.size(), state_->queue.size()};
}

unsigned blocking_pool::threads() const {
  const std::lock_guard hold(state_->lock);
  return state_->threads;
}

bool blocking_pool::serves_caller() const noexcept { return served_ == state_.get(); }

bool blocking_pool::stop(time_point deadline) {
  std::unique_lock hold(state_->lock);
  state_->stopped = true;
  for (idler* const i : state_->idle) i->woken.notify_one();
  return state_->thread_left.wait_until(hold, deadline, [&] { return state_->threads == 0; });
}

}  // namespace tandem::detail
