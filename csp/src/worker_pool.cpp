#include <tandem/csp/worker_pool.hpp>

#include <cstdio>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/after_func.hpp>

namespace tandem::csp::detail {

void check_pool_sizes(std::size_t min_workers, std::size_t max_workers, duration keep_alive, duration job_limit) {
  if (max_workers == 0) throw std::invalid_argument("a worker pool needs at least one worker: max_workers is 0");
  if (min_workers > max_workers) throw std::invalid_argument("a worker pool's min_workers exceeds its max_workers");
  if (keep_alive < duration::zero()) throw std::invalid_argument("a worker pool's keep_alive is below zero");
  if (job_limit <= duration::zero())
    throw std::invalid_argument("a worker pool's job_limit leaves its jobs no time; for no limit leave it out");
}

std::shared_ptr<tandem::detail::scheduler> runtime_of_pool(const context& of_pool) {
  (void)tandem::detail::scheduler_of_caller("worker_pool()");
  return tandem::detail::runtime_for_call(of_pool);
}

void report_failed_job(const std::source_location& pool, const error& what) noexcept {
  try {
    fmt::print(stderr, "tandem: a job of the worker pool made at {}:{} failed: {:+}\n", pool.file_name(), pool.line(),
               what);
  } catch (...) {
    std::fputs("tandem: a job of a worker pool failed\n", stderr);
  }
}

void report_lost_jobs(const std::source_location& pool, std::uint64_t lost) noexcept {
  std::fprintf(stderr,
               "tandem: the worker pool made at %s:%u was destroyed without shutdown(), and with it %llu queued jobs\n",
               pool.file_name(), static_cast<unsigned>(pool.line()), static_cast<unsigned long long>(lost));
}

void report_throwing_callback(const std::source_location& pool) noexcept {
  std::fprintf(stderr, "tandem: on_failed or on_lost of the worker pool made at %s:%u threw an exception\n",
               pool.file_name(), static_cast<unsigned>(pool.line()));
}

error jobs_lost(error why, const std::source_location& pool, std::uint64_t lost, std::uint64_t cut_off) {
  return with_message(std::move(why), fmt::format("the worker pool made at {}:{} lost {} queued jobs and cancelled {} "
                                                  "that ran",
                                                  pool.file_name(), pool.line(), lost, cut_off));
}

}  // namespace tandem::csp::detail
