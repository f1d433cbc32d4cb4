#include <tandem/runtime/file.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <limits>
#include <utility>

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <tandem/runtime/spawn.hpp>

#include "direct_io.hpp"
#include "file_state.hpp"
#include "io_faults.hpp"
#include "kernel_call.hpp"
#include "sigpipe_guard.hpp"

namespace tandem {

using detail::failed_call;
using detail::file_state;
using detail::file_use;
using detail::io_call;
using detail::ring_request;

namespace {

constexpr std::uint64_t last_offset = std::numeric_limits<std::int64_t>::max();
constexpr long not_seekable = std::numeric_limits<long>::min();  // no errno

struct opened_file {
  detail::owned_descriptor descriptor;
  io_alignment alignment;
};

int flags_of(const file_options& how) noexcept {
  // Without O_NONBLOCK, a pipe's other end would be waited for.
  int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  switch (how.access) {
    case file_access::read: flags |= O_RDONLY; break;
    case file_access::write: flags |= O_WRONLY; break;
    case file_access::read_write: flags |= O_RDWR; break;
  }
  switch (how.creation) {
    case file_creation::never: break;
    case file_creation::if_missing: flags |= O_CREAT; break;
    case file_creation::must_be_new: flags |= O_CREAT | O_EXCL; break;
  }
  if (how.truncate) flags |= O_TRUNC;
  if (how.direct) flags |= O_DIRECT;
  return flags;
}

// Blocks. 0, or what failed_call() takes, or not_seekable.
long open_now(const std::string& path, const file_options& how, opened_file& opened) noexcept {
  if (const auto fault = detail::io_fault_for(io_call::open, path.c_str()); fault.error != 0) return -fault.error;
  int descriptor;
  do {
    descriptor = ::open(path.c_str(), flags_of(how), static_cast<mode_t>(how.permissions));
  } while (descriptor < 0 && errno == EINTR);
  struct stat about;
  if (descriptor < 0) {
    if (errno != ENXIO) return -errno;
    const bool pipe_or_socket = stat(path.c_str(), &about) == 0 && (S_ISFIFO(about.st_mode) || S_ISSOCK(about.st_mode));
    return pipe_or_socket ? not_seekable : -ENXIO;  // a pipe that nobody reads
  }
  opened.descriptor.reset(descriptor);
  if (fstat(descriptor, &about) != 0) return -errno;
  if (S_ISDIR(about.st_mode)) return -EISDIR;
  if (lseek(descriptor, 0, SEEK_CUR) < 0) return errno == ESPIPE ? not_seekable : -errno;
  if (fcntl(descriptor, F_SETFL, how.direct ? O_DIRECT : 0) != 0) return -errno;  // O_NONBLOCK goes
  return how.direct ? detail::find_alignment(descriptor, opened.alignment) : 0;
}

result<void> check_options(const std::string& path, const std::string& called, const file_options& how) {
  if (path.find('\0') != std::string::npos)
    return fail(errc::invalid_argument, "cannot open a file whose path has a null character in it");
  if (how.truncate && how.access == file_access::read)
    return fail(errc::invalid_argument, fmt::format("cannot open {}: truncate needs write access", called));
  return {};
}

// What comes of a failed open. EINVAL of a direct one means that the file system has none.
error open_failed(long outcome, const std::string& called, const file_options& how) {
  if (outcome == not_seekable) {
    return make_error(errc::invalid_argument,
                      fmt::format("cannot open {}: it has no places to read and write at, as a pipe, a socket or a "
                                  "terminal",
                                  called));
  }
  if (how.direct && (outcome == -EINVAL || outcome == -EOPNOTSUPP)) {
    return wrap(failed_call(-EOPNOTSUPP, "cannot open " + called), "the file system has no direct I/O for it");
  }
  return failed_call(outcome, "cannot open " + called);
}

// Where the transfers of an operation go.
struct place {
  ring_request::call what;
  std::uint64_t offset;
  std::span<std::byte> memory;
  bool all;  // go on after a part

  [[nodiscard]] bool reads() const noexcept { return what == ring_request::call::read; }
};

result<void> check(const file_state& f, const place& at) {
  const file_access needed = at.reads() ? file_access::read : file_access::write;
  if (f.access != file_access::read_write && f.access != needed) {
    return fail(errc::failed_precondition, fmt::format("cannot {} {}: it was opened to {} only",
                                                       at.reads() ? "read" : "write to", f.path,
                                                       at.reads() ? "write" : "read"));
  }
  if (at.offset > last_offset || at.memory.size() > last_offset - at.offset) {
    return fail(errc::invalid_argument,
                fmt::format("cannot {} {} bytes at offset {} of {}: no file has a place beyond 2^63 - 1 (was the offset "
                            "negative?)",
                            at.reads() ? "read" : "write", at.memory.size(), at.offset, f.path));
  }
  return f.direct() ? detail::check_alignment(f.alignment, at.memory.data(), at.memory.size(), at.offset, f.path)
                    : result<void>();
}

std::string describe(const file_state& f, const place& at) {
  return fmt::format("cannot {} {} bytes at offset {} of {}", at.reads() ? "read" : "write", at.memory.size(), at.offset,
                     f.path);
}

// An error after `moved` bytes.
error stopped(error why, const place& at, std::size_t moved) {
  if (moved == 0) return why;
  return with_message(std::move(why), fmt::format("after {} of {} bytes", moved, at.memory.size()));
}

// One call of the kernel.
task<long> transfer_once(file_state& f, const place& at, std::size_t moved) {
  const detail::io_fault fault = detail::io_fault_for(at.reads() ? io_call::read : io_call::write, f.path.c_str());
  if (fault.error != 0) co_return -fault.error;
  const std::span<std::byte> rest = at.memory.subspan(moved, std::min(at.memory.size() - moved, fault.most));
  detail::transfer call(at.what, f.descriptor(), at.offset + moved, rest);
  if (f.direct()) {
    call.copies_nothing();
  } else if (f.tells_what_is_cached.load(std::memory_order_relaxed)) {
    call.try_at_once();
  }
  const long got = co_await call;
  if (!call.can_try_at_once()) f.tells_what_is_cached.store(false, std::memory_order_relaxed);
  co_return got;
}

task<result<std::size_t>> move_bytes(std::shared_ptr<file_state> shared, place at) {
  file_use f(std::move(shared));
  TANDEM_CO_TRY(f.begin());
  TANDEM_CO_TRY(check(*f, at));
  std::size_t moved = 0;
  while (moved < at.memory.size()) {
    long got = co_await transfer_once(*f, at, moved);
    if (got == -EINTR) continue;
    if (got == 0 && !at.reads()) got = -EIO;  // the kernel never says so; else this would go on for ever
    if (got < 0) co_return fail(stopped(failed_call(got, describe(*f, at)), at, moved));
    if (got == 0) break;
    moved += static_cast<std::size_t>(got);
    // The end of a file need not be aligned, but a read that goes on from there must be.
    if (!at.all || (at.reads() && moved % f->alignment.offset != 0)) break;
  }
  co_return moved;
}

task<result<void>> move_all_bytes(std::shared_ptr<file_state> f, place at) {
  const result<std::size_t> moved = co_await move_bytes(f, at);
  if (!moved) co_return fail(moved.error());
  if (*moved == at.memory.size()) co_return {};
  error end = make_error(errc::out_of_range, fmt::format("{}: the file ends there", describe(*f, at)));
  co_return fail(stopped(std::move(end), at, *moved));
}

task<result<void>> sync_now(std::shared_ptr<file_state> shared, ring_request::call what) {
  file_use f(std::move(shared));
  TANDEM_CO_TRY(f.begin());
  long outcome;
  do {
    outcome = -detail::io_fault_for(io_call::sync, f->path.c_str()).error;
    if (outcome == 0) {
      detail::transfer call(what, f->descriptor());
      outcome = co_await call;
    }
  } while (outcome == -EINTR);
  if (outcome < 0) co_return fail(failed_call(outcome, "cannot sync " + f->path));
  co_return {};
}

long size_now(const file_state& f) noexcept {
  if (const auto fault = detail::io_fault_for(io_call::size, f.path.c_str()); fault.error != 0) return -fault.error;
  struct stat about;
  if (fstat(f.descriptor(), &about) != 0) return -errno;
  if (!S_ISBLK(about.st_mode)) return about.st_size;
  std::uint64_t bytes = 0;
  return ioctl(f.descriptor(), BLKGETSIZE64, &bytes) == 0 ? static_cast<long>(bytes) : -errno;
}

task<result<std::uint64_t>> size_of(std::shared_ptr<file_state> shared) {
  file_use f(std::move(shared));
  TANDEM_CO_TRY(f.begin());
  auto call = [&f]() noexcept { return size_now(*f); };
  detail::pool_call ask(call);
  const long size = co_await ask;
  if (size < 0) co_return fail(failed_call(size, "cannot tell the size of " + f->path));
  co_return static_cast<std::uint64_t>(size);
}

long truncate_now(const file_state& f, std::uint64_t size) noexcept {
  if (const auto fault = detail::io_fault_for(io_call::truncate, f.path.c_str()); fault.error != 0) return -fault.error;
  detail::held_signal too_long(SIGXFSZ);
  while (ftruncate(f.descriptor(), static_cast<off_t>(size)) != 0) {
    if (errno == EFBIG) too_long.note_raised();
    if (errno != EINTR) return -errno;
  }
  return 0;
}

task<result<void>> truncate_to(std::shared_ptr<file_state> shared, std::uint64_t size) {
  file_use f(std::move(shared));
  TANDEM_CO_TRY(f.begin());
  const std::string what = fmt::format("cannot make {} {} bytes long", f->path, size);
  if (f->access == file_access::read)
    co_return fail(errc::failed_precondition, what + ": it was opened to read only");
  if (size > last_offset)
    co_return fail(errc::invalid_argument, what + ": no file is longer than 2^63 - 1 (was it a negative number?)");
  auto call = [&f, size]() noexcept { return truncate_now(*f, size); };
  detail::pool_call cut(call);
  const long outcome = co_await cut;
  if (outcome < 0) co_return fail(failed_call(outcome, what));
  co_return {};
}

long close_now(file_state& f) noexcept {
  const auto fault = detail::io_fault_for(io_call::close, f.path.c_str());
  const long outcome = f.close_descriptor();
  return fault.error != 0 ? -fault.error : outcome;
}

task<result<void>> close_when_unused(std::shared_ptr<file_state> f) {
  if (!f) co_return fail(errc::failed_precondition, "there is no file in this object: open() gives one");
  auto begun = f->begin_close();
  if (!begun) co_return fail(std::move(begun).error());
  if (*begun) {
    detail::join_operation<void> last_operation(*begun, no_deadline);
    TANDEM_CO_TRY(co_await last_operation);
  }
  auto call = [&f]() noexcept { return close_now(*f); };
  detail::pool_call close(call);
  const long outcome = co_await close;
  if (outcome < 0) co_return fail(failed_call(outcome, "cannot close " + f->path));
  co_return {};
}

std::span<std::byte> as_memory(std::span<const std::byte> from) noexcept {
  return {const_cast<std::byte*>(from.data()), from.size()};  // only read: the ring has one type for both directions
}

}  // namespace

file::file(std::shared_ptr<detail::file_state> state) noexcept : state_(std::move(state)) {}

task<result<file>> detail::open_file(std::string path, std::string called, file_options options) {
  TANDEM_CO_TRY(check_options(path, called, options));
  opened_file opened;
  auto call = [&]() noexcept { return open_now(path, options, opened); };
  detail::pool_call open(call);
  const long outcome = co_await open;
  if (outcome < 0) co_return fail(open_failed(outcome, called, options));
  co_return file(file_state::make(std::move(called), options.access, opened.alignment, opened.descriptor));
}

task<result<file>> file::open(std::string path, file_options options) {
  std::string called = path;
  return detail::open_file(std::move(path), std::move(called), options);
}

task<result<std::size_t>> file::read_at(std::uint64_t offset, std::span<std::byte> into) const {
  return move_bytes(state_, place{ring_request::call::read, offset, into, false});
}

task<result<void>> file::read_exactly_at(std::uint64_t offset, std::span<std::byte> into) const {
  return move_all_bytes(state_, place{ring_request::call::read, offset, into, true});
}

task<result<std::size_t>> file::write_at(std::uint64_t offset, std::span<const std::byte> from) const {
  return move_bytes(state_, place{ring_request::call::write, offset, as_memory(from), false});
}

task<result<void>> file::write_all_at(std::uint64_t offset, std::span<const std::byte> from) const {
  return move_all_bytes(state_, place{ring_request::call::write, offset, as_memory(from), true});
}

task<result<std::uint64_t>> file::size() const { return size_of(state_); }
task<result<void>> file::truncate(std::uint64_t size) const { return truncate_to(state_, size); }
task<result<void>> file::sync() const { return sync_now(state_, ring_request::call::sync_all); }
task<result<void>> file::sync_data() const { return sync_now(state_, ring_request::call::sync_data); }
task<result<void>> file::close() { return close_when_unused(state_); }

io_alignment file::alignment() const noexcept { return state_ ? state_->alignment : io_alignment(); }
std::string_view file::path() const noexcept { return state_ ? std::string_view(state_->path) : std::string_view(); }

}  // namespace tandem
