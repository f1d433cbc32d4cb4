// Files as a whole: read_file() and write_file_atomically().
#include <tandem/runtime/file.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <tandem/runtime/or_return.hpp>
#include <tandem/runtime/with_context.hpp>

#include "file_state.hpp"
#include "io_faults.hpp"
#include "kernel_call.hpp"

namespace tandem {
namespace {

using detail::io_call;
using detail::io_fault_for;

constexpr std::size_t first_read = std::size_t{64} << 10;  // of a file that does not tell its size, as those in /proc
constexpr std::size_t longest_name_kept = 200;             // of 255; the rest is for what is added
constexpr int names_to_try = 16;

// In messages: its name differs each time, and a message that does would have no short code to look for.
constexpr const char* the_other = "a new file beside it";

// A name beside `path`, that nobody else thinks of.
std::string other_name(const std::string& path) {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number)
    number = static_cast<std::uint64_t>(now().time_since_epoch().count());  // then more than one may have to be tried
  const std::size_t name_at = path.rfind('/') + 1;  // npos + 1 is 0
  return fmt::format("{}.{}.{:016x}", path.substr(0, name_at), path.substr(name_at, longest_name_kept), number);
}

// The mode of the regular file that is there; 0 if there is none, or a link. A negative errno for something else.
long mode_now(const std::string& path) noexcept {
  struct stat about;
  if (lstat(path.c_str(), &about) != 0) return errno == ENOENT ? 0 : -errno;
  if (S_ISDIR(about.st_mode)) return -EISDIR;
  if (S_ISLNK(about.st_mode)) return 0;
  return S_ISREG(about.st_mode) ? static_cast<long>(about.st_mode) : -EBUSY;
}

long sync_folder_now(const std::string& path) noexcept {
  const std::size_t name_at = path.rfind('/') + 1;
  const std::string folder = name_at == 0 ? "." : path.substr(0, name_at);
  detail::owned_descriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0) return -errno;
  if (const auto fault = io_fault_for(io_call::sync, folder.c_str()); fault.error != 0) return -fault.error;
  return fsync(opened.get()) == 0 || errno == EINVAL ? 0 : -errno;  // EINVAL: its file system does not sync folders
}

struct replacement {
  long outcome = 0;
  bool done = false;  // the new file has its name
};

replacement replace_now(const std::string& from, const std::string& to) noexcept {
  if (const auto fault = io_fault_for(io_call::rename, to.c_str()); fault.error != 0) return {-fault.error, false};
  if (std::rename(from.c_str(), to.c_str()) != 0) return {-errno, false};
  return {sync_folder_now(to), true};
}

task<long> remove(const std::string& path) {
  auto call = [&path]() noexcept -> long { return unlink(path.c_str()) == 0 ? 0 : -errno; };
  detail::pool_call removal(call);
  co_return co_await removal;
}

// A new file beside `path`; its name goes to `name`.
task<result<file>> open_other(const std::string& path, unsigned permissions, std::string& name) {
  file_options how = file_options::to_replace();
  how.truncate = false;
  how.creation = file_creation::must_be_new;
  how.permissions = permissions;
  for (int tries = 1;; ++tries) {
    name = other_name(path);
    result<file> opened = co_await detail::open_file(name, the_other, how);
    if (opened || opened.error().code() != errc::already_exists || tries == names_to_try) co_return opened;
  }
}

task<result<void>> fill(file f, const std::string& name, long mode, std::span<const std::byte> bytes) {
  if (mode != 0) {
    auto call = [&]() noexcept -> long { return chmod(name.c_str(), static_cast<mode_t>(mode) & 07777) == 0 ? 0 : -errno; };
    detail::pool_call change(call);
    const long outcome = co_await change;
    if (outcome < 0)
      co_return fail(detail::failed_call(outcome, fmt::format("cannot change the permissions of {}", the_other)));
  }
  co_await or_return(f.write_all_at(0, bytes));
  co_await or_return(f.sync());
  co_return co_await f.close();
}

task<result<void>> take_name(const std::string& from, const std::string& to, bool& done) {
  replacement last;
  auto call = [&]() noexcept {
    last = replace_now(from, to);
    return last.outcome;
  };
  detail::pool_call replace(call);
  const long outcome = co_await replace;
  done = last.done;
  if (outcome == 0) co_return {};
  if (done) co_return fail(detail::failed_call(outcome, "cannot sync the folder of " + to + " after the replacement"));
  co_return fail(detail::failed_call(outcome, "cannot replace " + to));
}

error not_replaced(error why, const std::string& path) {
  return with_message(std::move(why), "cannot replace " + path);
}

}  // namespace

task<result<std::string>> read_file(std::string path, std::size_t most) {
  const file f = co_await or_return(file::open(path));
  const std::uint64_t expected = co_await or_return(f.size());
  // One more than is expected or allowed, to see the end.
  const std::size_t limit = std::max(most, most + 1);
  std::string text;
  text.resize(std::min<std::uint64_t>(limit, expected == 0 ? first_read : expected + 1));
  std::size_t have = 0;
  for (;;) {
    const std::size_t n =
        co_await or_return(f.read_at(have, std::as_writable_bytes(std::span(text)).subspan(have)));
    have += n;
    if (have > most) {
      co_return fail(errc::resource_exhausted,
                     fmt::format("cannot read {}: it is longer than the {} bytes that were allowed", path, most));
    }
    if (n == 0) break;
    if (have == text.size()) text.resize(have > limit / 2 ? limit : 2 * have);
  }
  text.resize(have);
  co_return text;
}

task<result<void>> write_file_atomically(std::string path, std::span<const std::byte> bytes) {
  auto look = [&path]() noexcept { return mode_now(path); };
  detail::pool_call ask(look);
  const long mode = co_await ask;
  if (mode < 0) co_return fail(detail::failed_call(mode, "cannot replace " + path));
  std::string name;
  result<file> other = co_await open_other(path, mode != 0 ? 0600 : 0666, name);
  if (!other) co_return fail(not_replaced(std::move(other).error(), path));
  bool done = false;
  result<void> ended = co_await fill(std::move(*other), name, mode, bytes);
  if (ended) {
    ended = co_await take_name(name, path, done);
  } else {
    ended = fail(not_replaced(std::move(ended).error(), path));
  }
  if (!done) (void)co_await without_cancel(remove(name));  // and if that fails: the first error is the one to tell
  co_return ended;
}

}  // namespace tandem
