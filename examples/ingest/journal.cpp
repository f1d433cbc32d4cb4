#include "journal.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <tandem/errors/error_code.hpp>
#include <tandem/runtime/blocking.hpp>
#include <tandem/runtime/context.hpp>
#include <tandem/runtime/or_return.hpp>

namespace ingest {
namespace {

using namespace tandem;

constexpr std::size_t gathering = 1024;  // documents that wait for the next batch

/// The entries of a folder, as a file's name is one, are on the disk when the folder is synced.
result<void> sync_folder(const std::string& path) {
  const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const int failed = folder < 0 || ::fsync(folder) != 0 ? errno : 0;
  if (folder >= 0) ::close(folder);
  if (failed == 0) return {};
  return fail(error_from(std::error_code(failed, std::system_category()), "cannot sync the folder " + path));
}

result<void> make_folder(const std::string& path) {
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (!failed) return {};
  return fail(error_from(failed, "cannot make the folder " + path));
}

}  // namespace

journal::journal(journal_options o) : options_(std::move(o)) {
  auto [tx, rx] = csp::make_channel<document_ptr>(gathering);
  in_ = std::move(tx);
  out_ = std::move(rx);
}

task<result<void>> journal::open() {
  auto folder = run_blocking([this] { return make_folder(options_.folder); });
  co_await or_return(folder.join());
  co_await or_return(open_next_file());
  writer_ = spawn(write(), spawn_options("journal", without_cancel(this_task::context())));
  co_return {};
}

task<result<void>> journal::close() {
  in_.close();
  if (!writer_) co_return {};
  co_await or_return(writer_.join());
  if (!file_) co_return {};
  if (torn_) co_await or_return(file_.truncate(size_));
  co_return co_await file_.close();
}

task<result<void>> journal::open_next_file() {
  for (;;) {
    const std::string path = fmt::format("{}/documents-{:06}.jsonl", options_.folder, ++number_);
    file_options fresh = file_options::to_replace();
    fresh.creation = file_creation::must_be_new;
    auto opened = co_await file::open(path, fresh);
    if (!opened && opened.error() == errc::already_exists) continue;
    if (!opened) co_return fail(std::move(opened).error());
    if (options_.sync != sync_policy::never) {
      auto synced = run_blocking([this] { return sync_folder(options_.folder); });
      co_await or_return(synced.join());
    }
    file_ = std::move(*opened);
    size_ = 0;
    torn_ = false;
    ++counts_.files;
    co_return {};
  }
}

task<> journal::write() {
  std::vector<document_ptr> batch;
  std::string text;
  while (auto first = co_await out_.recv()) {
    text = (*first)->line();
    batch.clear();
    batch.push_back(std::move(*first));
    while (text.size() < options_.batch_bytes) {
      auto next = out_.try_recv();
      if (!next) break;
      text += (*next)->line();
      batch.push_back(std::move(*next));
    }
    const auto stored = co_await store(text);
    if (stored) {
      counts_.documents += batch.size();
      counts_.bytes += text.size();
      ++counts_.batches;
    }
    for (const auto& d : batch) d->settle(stored);
  }
}

task<result<void>> journal::store(const std::string& text) {
  if (file_ && size_ >= options_.file_bytes) {  // none, if the last attempt to go on to another failed
    file full = std::move(file_);
    co_await or_return(full.close());
  }
  if (!file_) co_await or_return(open_next_file());
  // What a write that failed has left must not be taken for documents, whatever comes after it.
  if (torn_) co_await or_return(file_.truncate(size_));
  torn_ = true;
  co_await or_return(file_.write_all_at(size_, std::as_bytes(std::span(text))));
  if (options_.sync == sync_policy::batch) co_await or_return(file_.sync_data());
  torn_ = false;
  size_ += text.size();
  co_return {};
}

}  // namespace ingest
