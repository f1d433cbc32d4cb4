#include "store.hpp"

#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>

namespace ingest {

using namespace tandem;

namespace {

csp::worker_pool_options<document_ptr> options_of_pool(const store_options& o, std::atomic<bool>& complained) {
  csp::worker_pool_options<document_ptr> made;
  made.max_workers = o.workers;
  made.queue_capacity = o.queue;
  made.when_full = o.when_full;
  made.job_limit = o.limit;
  made.name = "store";
  made.on_lost = [](document_ptr d, const error& why) { d->settle(fail(why)); };
  // A full disk fails every document: one line is enough, the numbers are in the statistics.
  made.on_failed = [&complained](const error& e) {
    if (!complained.exchange(true)) fmt::print(stderr, "ingest: a document could not be stored: {}\n", e);
  };
  return made;
}

}  // namespace

document_store::document_store(const store_options& o)
    : journal_(o.journal),
      pool_([this](document_ptr d) { return store(std::move(d)); }, options_of_pool(o, complained_)) {}

task<result<void>> document_store::submit(document_ptr d) { co_return co_await pool_.submit(std::move(d)); }

// The journal settles what it was handed, even if nobody waits for that any more.
task<result<void>> document_store::store(document_ptr d) {
  if (auto handed = co_await journal_.append(d); !handed) {
    d->settle(handed);
    co_return handed;
  }
  co_return co_await d->settled();
}

task<result<void>> document_store::close(duration limit) {
  const auto drained = co_await pool_.shutdown(limit);
  auto closed = co_await without_cancel(journal_.close());
  if (!drained) co_return drained;
  co_return closed;
}

}  // namespace ingest
