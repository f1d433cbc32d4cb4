// Where documents go: a bounded worker pool in front of a journal.
#pragma once
#include <atomic>
#include <cstddef>

#include <tandem/csp/worker_pool.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

#include "document.hpp"
#include "journal.hpp"

namespace ingest {

struct store_options {
  journal_options journal;
  std::size_t workers = 256;  ///< Documents on their way to the disk at a time: what a batch can consist of.
  std::size_t queue = 1024;   ///< Documents that wait for a worker.
  tandem::csp::pool_full when_full = tandem::csp::pool_full::reject;
  tandem::duration limit = std::chrono::seconds(10);  ///< For a document, from submit() until the journal has it.
};

/// Made by a task, and closed before it goes.
class document_store {
 public:
  explicit document_store(const store_options& o);

  [[nodiscard]] tandem::task<tandem::result<void>> open() { return journal_.open(); }

  /// Takes a document, which is then settled, whatever happens. Suspends, Errors: as worker_pool::submit().
  [[nodiscard]] tandem::task<tandem::result<void>> submit(document_ptr d);

  /// Takes no more, and stores what it has within `limit`; what was too late for that is settled with an error.
  /// Errors: documents were lost, or the files failed at the end.
  [[nodiscard]] tandem::task<tandem::result<void>> close(tandem::duration limit);

  [[nodiscard]] tandem::csp::worker_pool_stats pool_stats() const noexcept { return pool_.stats(); }
  [[nodiscard]] const journal_counts& stored() const noexcept { return journal_.counts(); }

 private:
  tandem::task<tandem::result<void>> store(document_ptr d);

  journal journal_;
  std::atomic<bool> complained_{false};
  tandem::csp::worker_pool<document_ptr> pool_;
};

}  // namespace ingest
