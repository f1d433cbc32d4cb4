// Files: tasks read and write blocks of one file, and are cancelled, while others close it or the runtime shuts down.
#include <random>
#include <string>
#include <thread>

#include <stdlib.h>
#include <unistd.h>

#include <tandem/runtime/file.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "stress.hpp"

namespace stress {
namespace {

using namespace tandem;

/// A file that is gone when it is closed for the last time.
class scratch_file {
 public:
  scratch_file() {
    const char* const folder = getenv("TMPDIR");
    path_ = std::string(folder ? folder : "/tmp") + "/tandem-stress-XXXXXX";
    const int made = mkstemp(path_.data());
    check(made >= 0, "no file could be made in the folder for temporary files");
    close(made);
  }
  ~scratch_file() { unlink(path_.c_str()); }
  scratch_file(const scratch_file&) = delete;
  scratch_file& operator=(const scratch_file&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

constexpr std::size_t block = 96 << 10;  // more than is read on the worker at once

bool all_are(const std::string& text, char c) { return text.find_first_not_of(c) == std::string::npos; }

bool ended_as_it_may(const error& why) {
  return why.code() == errc::cancelled || why.code() == errc::deadline_exceeded || why.code() == errc::closed;
}

task<result<void>> write_block(const file& f, std::size_t place, const std::string& text) {
  co_return co_await f.write_all_at(place * block, std::as_bytes(std::span(text)));
}
task<result<void>> read_block(const file& f, std::size_t place, std::string& text) {
  co_return co_await f.read_exactly_at(place * block, std::as_writable_bytes(std::span(text)));
}

// Nobody else writes to its block. It gives the number of operations.
task<std::uint64_t> use_block(const file& f, std::size_t place, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::string text(block, 'a'), read(block, ' ');
  char written = 0;  // what the block holds; 0 if that is not known, after a write that failed
  std::uint64_t done = 0;
  for (int i = 0; i < 40; ++i, ++done) {
    const auto limit = std::chrono::microseconds(random() % 4 == 0 ? random() % 300 : 10'000'000);
    if (written == 0 || random() % 2 == 0) {
      const char next = static_cast<char>('a' + random() % 26);
      text.assign(block, next);
      const auto ended = co_await with_timeout(limit, write_block(f, place, text));
      written = ended ? next : '\0';
      if (!ended) check(ended_as_it_may(ended.error()), "a write failed");
    } else {
      const auto ended = co_await with_timeout(limit, read_block(f, place, read));
      if (ended) {
        check(all_are(read, written), "a block does not hold what was written to it");
      } else {
        check(ended_as_it_may(ended.error()), "a read failed");
      }
    }
    // The memory is the task's own again: nobody writes to it any more.
    read.assign(block, '-');
    co_await yield();
    check(all_are(read, '-'), "somebody wrote to the memory of an operation that had ended");
  }
  co_return done;
}

task<std::uint64_t> use_file(std::string path, std::uint32_t seed) {
  std::mt19937 random(seed);
  auto opened = co_await file::open(std::move(path), file_options::to_update());
  check(opened.has_value(), "the file could not be opened");
  file f = std::move(*opened);
  const cancel_source source(this_task::context());
  std::vector<join_handle<std::uint64_t>> users;
  for (std::size_t i = 0; i < 16; ++i) users.push_back(spawn(use_block(f, i, static_cast<std::uint32_t>(random())), source.context()));
  (void)co_await sleep_for(std::chrono::microseconds(random() % 20'000));
  bool closed = false;
  switch (random() % 3) {
    case 0:
      source.cancel();
      break;
    case 1: {
      const auto ended = co_await f.close();
      check(ended.has_value(), "a close failed");
      closed = true;
      break;
    }
    default:
      break;
  }
  std::uint64_t sum = 0;
  for (auto& user : users) {
    const auto joined = co_await user.join();
    check(joined.has_value(), "a join failed");
    sum += *joined;
  }
  const auto last = co_await f.close();
  check(last.has_value() != closed, "a file was closed twice, or not at all");
  co_return sum;
}

task<> use_for_ever(std::string path, std::size_t place, std::uint32_t seed) {
  const auto f = co_await file::open(std::move(path), file_options::to_update());
  check(f.has_value(), "the file could not be opened");
  for (;;) (void)co_await use_block(*f, place, seed++);
}

std::uint64_t file_round(const settings& how, std::uint32_t seed) {
  std::mt19937 random(seed);
  const scratch_file scratch;
  runtime rt({.workers = how.workers, .blocking_threads = 1 + seed % 7, .io_uring = seed % 2 == 0});
  const std::uint64_t sum = rt.block_on(use_file(scratch.path(), static_cast<std::uint32_t>(random())));
  check(rt.live_tasks() == 0, "tasks are left");
  if (seed % 3 == 0) {  // and over operations that nobody cancels but shutdown
    for (std::size_t i = 0; i < 8; ++i)
      rt.spawn(without_cancel(use_for_ever(scratch.path(), i, static_cast<std::uint32_t>(random())))).detach();
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3'000));
    check(!rt.shutdown(std::chrono::microseconds(random() % 3'000)).has_value(), "tasks ended that never end");
    check(rt.live_tasks() == 0, "tasks are left");
  }
  return sum;
}

}  // namespace

std::vector<primitive> file_primitives() {
  return {{"file", "a file read and written while operations are cancelled: blocks hold what was written", file_round}};
}

}  // namespace stress
