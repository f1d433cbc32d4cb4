// Appends documents to files, many with one write.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include <tandem/csp/channel.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/runtime/file.hpp>
#include <tandem/runtime/spawn.hpp>
#include <tandem/runtime/task.hpp>

#include "document.hpp"

namespace ingest {

enum class sync_policy : std::uint8_t {
  never,  ///< Stored is what the system has taken: it survives a crash of this program.
  batch,  ///< Stored is what the disk has: it survives a crash of the system, too.
};

struct journal_options {
  std::string folder;
  sync_policy sync = sync_policy::never;
  std::uint64_t file_bytes = std::uint64_t{256} << 20;  ///< A file that has grown to that is followed by another.
  std::size_t batch_bytes = std::size_t{1} << 20;       ///< A batch takes no more documents then.
};

struct journal_counts {
  std::atomic<std::uint64_t> documents{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> batches{0};
  std::atomic<std::uint64_t> files{0};
};

/// Files documents-000001.jsonl, …: a document per line. A file is begun anew by each run, so what a crash may have
/// torn stays the last line of its file.
///
/// One task writes. While it does, documents gather; they are its next batch. Its waits are not cancelled: a document
/// it has is settled.
class journal {
 public:
  explicit journal(journal_options o);

  /// Makes the folder, if it is missing, and the first file; starts to write.
  [[nodiscard]] tandem::task<tandem::result<void>> open();
  /// Hands a document over, which is settled when it is stored, or cannot be.
  /// Errors: the caller's context is over, or errc::closed: it was not handed over, and never will be settled.
  [[nodiscard]] tandem::task<tandem::result<void>> append(document_ptr d) { co_return co_await in_.send(std::move(d)); }
  /// Takes no more documents, stores those it has, and closes the file.
  [[nodiscard]] tandem::task<tandem::result<void>> close();

  [[nodiscard]] const journal_counts& counts() const noexcept { return counts_; }

 private:
  tandem::task<tandem::result<void>> open_next_file();
  tandem::task<> write();
  tandem::task<tandem::result<void>> store(const std::string& text);

  const journal_options options_;
  tandem::csp::sender<document_ptr> in_;
  tandem::csp::receiver<document_ptr> out_;
  tandem::join_handle<void> writer_;
  journal_counts counts_;

  // The writer's own.
  tandem::file file_;
  std::uint64_t size_ = 0;  // of what is stored in file_; behind that may be what could not be stored
  bool torn_ = false;       // there is
  std::uint32_t number_ = 0;
};

}  // namespace ingest
