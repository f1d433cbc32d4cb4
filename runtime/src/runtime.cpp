#include <tandem/runtime/runtime.hpp>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>
#include <tandem/errors/kind_registry.hpp>
#include <tandem/runtime/blocking.hpp>

#include "cpu_count.hpp"
#include "scheduler.hpp"

namespace tandem {
namespace detail {
namespace {

constexpr unsigned most_workers = 1024;

unsigned workers_to_start(unsigned asked) {
  if (asked > most_workers)
    throw std::invalid_argument(fmt::format("tandem: a runtime has at most {} workers, not {}", most_workers, asked));
  if (asked != 0) return asked;
  const char* const text = std::getenv("TANDEM_WORKERS");
  if (!text || *text == '\0') return usable_cpus();
  const char* const end = text + std::strlen(text);
  unsigned n = 0;
  const auto parsed = std::from_chars(text, end, n);
  if (parsed.ec == std::errc{} && parsed.ptr == end && n >= 1 && n <= most_workers) return n;
  std::fprintf(stderr, "tandem: TANDEM_WORKERS=%s is not a number from 1 to %u; using the usable CPUs\n", text,
               most_workers);
  return usable_cpus();
}

void to_stderr(const std::string& text) { std::fputs(text.c_str(), stderr); }

// The watchdog and the trace have a thread each.
watchdog::sink one_at_a_time(watchdog::sink report) {
  return [lock = std::make_shared<std::mutex>(), report = std::move(report)](const std::string& text) {
    const std::lock_guard hold(*lock);
    report(text);
  };
}

// The kinds of a program's namespaces are all there when it makes its first runtime.
void report_kind_collisions_once() {
  static const bool reported = (report_kind_collisions(), true);
  (void)reported;
}

}  // namespace

std::shared_ptr<scheduler> start_scheduler(const runtime_options& options) {
  report_kind_collisions_once();
  auto made = std::make_shared<scheduler>(workers_to_start(options.workers), options.blocking_threads,
                                          scheduler::mode::threads, options.detect_deadlock);
  if (!options.io_uring) made->forbid_ring();
  duration trace_every = options.trace_every;
  if (trace_every <= duration::zero()) trace_every = trace_period(std::getenv("TANDEM_TRACE"), to_stderr);
  made->start_threads(options.held_limit, trace_every,
                      options.report ? one_at_a_time(options.report) : watchdog::sink(to_stderr));
  register_scheduler(made);
  return made;
}

void task_did_not_end() {
  throw std::logic_error("tandem: the runtime was shut down before the task of block_on() had ended");
}

void submit_blocking(scheduler& s, pool_job& work) {
  if (s.manual()) {  // simulated time must not wait for real threads
    work.run(work);
  } else {
    (void)s.blocking().submit(work);
  }
}

}  // namespace detail

runtime::runtime(const runtime_options& options)
    : core_(detail::start_scheduler(options)), shutdown_limit_(options.shutdown_limit) {}

runtime::~runtime() {
  if (detail::is_orphan()) {
    detail::keep_for_ever(core_);
    return;
  }
  if (core_->shutdown_is_over()) return;
  if (core_->is_thread_of_its_own()) {
    std::fputs("tandem: a runtime was destroyed on a thread of its own, which it would have to wait for; let main() own "
               "it\n", stderr);
    std::abort();
  }
  // Not fmt::print(), which throws if it cannot write.
  if (const auto ended = shutdown(shutdown_limit_); !ended)
    std::fputs(fmt::format("tandem: {}\n", ended.error()).c_str(), stderr);
}

context runtime::root_context() const noexcept {
  detail::retain(core_->root());
  return context(&core_->root());
}

result<void> runtime::shutdown(duration limit) { return core_->shutdown(limit); }

unsigned runtime::worker_count() const noexcept { return core_->worker_count(); }

std::size_t runtime::live_tasks() const noexcept { return core_->live_tasks(); }

void runtime::check_may_block() const {
  core_->check_not_orphaned("block_on() was called");
  if (detail::tls_worker)
    throw std::logic_error("tandem: block_on() was called on a worker's thread; co_await the task instead");
  if (core_->stopped()) throw std::logic_error("tandem: block_on() was called after shutdown(); nothing runs any more");
}

}  // namespace tandem
