// L jobs: what the machine charges for the steps that messages are made of. Figures of C jobs stand beside them.
#include <atomic>
#include <coroutine>
#include <cstdint>
#include <thread>

#include "job.hpp"

namespace bench {
namespace {

// A coroutine that suspends for ever, and whoever resumes it.
struct resumable {
  struct promise_type {
    resumable get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
    std::suspend_always initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::_Exit(3); }
  };
  std::coroutine_handle<promise_type> handle;
};

// By a pointer that the compiler cannot follow, as a scheduler's queue is one.
[[gnu::noinline]] void resume(std::coroutine_handle<> coroutine) { coroutine.resume(); }

// A task is suspended and resumed at least once for each value that it had to wait for.
void resume_of_a_coroutine(unsigned threads) {
  const std::int64_t n = count(50'000'000);
  std::int64_t resumed = 0;
  auto counter = [](std::int64_t& out) -> resumable {
    for (;;) {
      ++out;
      co_await std::suspend_always();
    }
  };
  const resumable coroutine = counter(resumed);
  const auto start = clock::now();
  for (std::int64_t i = 0; i < n; ++i) resume(coroutine.handle);
  const double elapsed = nanoseconds_since(start);
  check(resumed == n, "L1");
  coroutine.handle.destroy();
  report("L1-resume", threads, elapsed / static_cast<double>(n), "ns");
}

// What two threads cannot do without if each is to see the other's value: half of it for a value in one direction.
void cache_line_between_cores(unsigned threads) {
  const std::int64_t n = count(2'000'000);
  struct alignas(64) line {
    std::atomic<std::int64_t> value{0};
  };
  line there, back;
  std::thread echo([&] {
    for (std::int64_t i = 1; i <= n; ++i) {
      while (there.value.load(std::memory_order_acquire) != i) {}
      back.value.store(i, std::memory_order_release);
    }
  });
  const auto start = clock::now();
  for (std::int64_t i = 1; i <= n; ++i) {
    there.value.store(i, std::memory_order_release);
    while (back.value.load(std::memory_order_acquire) != i) {}
  }
  const double elapsed = nanoseconds_since(start);
  echo.join();
  report("L2-line", threads, elapsed / static_cast<double>(n), "ns/roundtrip");
}

}  // namespace

void add_limit_jobs(std::vector<job>& jobs) {
  jobs.push_back({"L1-resume", resume_of_a_coroutine, {1}});
  jobs.push_back({"L2-line", cache_line_between_cores, {2}});
}

}  // namespace bench
