// Files: positioned reads and writes that suspend the task and never block its worker. Start at file::open().
//
//   task<result<void>> copy_head(std::string from, std::string to) {
//     file in = co_await or_return(file::open(from));
//     file out = co_await or_return(file::open(to, file_options::to_replace()));
//     std::array<std::byte, 4096> block;
//     const std::size_t n = co_await or_return(in.read_at(0, block));
//     co_await or_return(out.write_all_at(0, std::span(block).first(n)));
//     co_await or_return(out.sync());
//     co_return co_await out.close();
//   }
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/aligned_buffer.hpp>
#include <tandem/runtime/task.hpp>

namespace tandem {

namespace detail {
class file_state;
}

enum class file_access : std::uint8_t { read, write, read_write };
enum class file_creation : std::uint8_t {
  never,        ///< The file must exist.
  if_missing,   ///< An existing one is opened, with what it holds.
  must_be_new,  ///< errc::already_exists if there is anything of that name.
};

struct file_options {
  file_access access = file_access::read;
  file_creation creation = file_creation::never;
  bool truncate = false;  ///< Begin with an empty file. Not with file_access::read.
  /// Past the page cache (O_DIRECT). Then each transfer must keep to file::alignment(); aligned_buffer does.
  bool direct = false;
  unsigned permissions = 0666;  ///< Of a file that is created; the process's umask takes from them.

  [[nodiscard]] static file_options to_read() { return {}; }
  /// Reads and writes; makes the file if it is missing.
  [[nodiscard]] static file_options to_update() { return file_options(file_access::read_write); }
  /// Writes, from an empty file on.
  [[nodiscard]] static file_options to_replace() {
    file_options made(file_access::write);
    made.truncate = true;
    return made;
  }

  file_options() = default;

 private:
  explicit file_options(file_access a) : access(a), creation(file_creation::if_missing) {}
};

/// An open file, read and written at places that the caller names.
///
/// Regular files, block devices, and character devices that have places, such as /dev/zero. Sockets, pipes and
/// terminals have none, and are refused: see splice.hpp, and runtime.io().
///
/// Where the kernel has io_uring and lets the process use it, reads, writes and syncs go to it; everything else, and
/// all of it elsewhere, goes to the blocking pool. Short reads of what the page cache holds are done at once. A
/// simulation makes every call at once on the test's thread.
///
/// Owns:    the file's descriptor. Dropping the last handle closes it in the background, once its operations have
///          ended, and tells nobody how that went: where that matters, sync() and close().
/// Threads: every member may be called from any thread, also while operations are under way; moving, assigning and
///          destroying only while no other thread uses the object. The operations refer to the file, not to the object.
/// Order:   operations that are under way at the same time take effect in any order; where they overlap, a reader may
///          see a part of a write.
/// Suspends: every operation, until the kernel has done it; not if that takes no time.
/// Cancel:  once the context is over, what the kernel has not begun is withdrawn, and what it has begun is waited for:
///          the task goes on only when nothing refers to its memory any more. If it completed all the same, it yields
///          its result; else errc::cancelled or errc::deadline_exceeded. A write that was cancelled may have written
///          nothing, a part, or all.
/// Errors:  errc_of() of what the system says, with the path in the message and the std::error_code attached; among
///          them errc::resource_exhausted (no space, quota, or descriptors), errc::data_loss (the device failed) and
///          errc::unavailable. errc::closed after close(), errc::failed_precondition for an object without a file or
///          one opened for the other direction, errc::invalid_argument for offsets beyond 2^63 - 1 (as negative numbers
///          become) and for direct I/O that breaks a rule of alignment. Throws std::system_error if the pool cannot
///          start its first thread.
///
/// A file that is removed or replaced while it is open stays readable and writable; one that is truncated ends earlier.
class file {
 public:
  /// No file.
  file() = default;

  /// Opens the file at `path`; relative ones are looked up in the process's working directory.
  /// Errors: also errc::not_found, errc::already_exists, errc::permission_denied, errc::failed_precondition (a
  ///         directory; a program that runs), errc::invalid_argument (no place to seek to: a pipe or the like; a null
  ///         in the path; truncate without write), errc::unimplemented (the file system has no direct I/O).
  [[nodiscard]] static task<result<file>> open(std::string path, file_options options = {});

  /// Reads some of what there is at `offset`: at least a byte, unless `into` is empty or the file ends there, which
  /// gives 0.
  [[nodiscard]] task<result<std::size_t>> read_at(std::uint64_t offset, std::span<std::byte> into) const;

  /// Fills `into`.
  /// Errors: also errc::out_of_range if the file ends before; what there was is in `into` then, and the message says
  ///         how much.
  [[nodiscard]] task<result<void>> read_exactly_at(std::uint64_t offset, std::span<std::byte> into) const;

  /// Writes some of `from`, at least a byte unless that is empty; beyond the end the file grows, with zeros in between.
  /// Errors: also errc::out_of_range for a file larger than the file system or the process may have. The SIGXFSZ that
  ///         comes with the latter is held back.
  [[nodiscard]] task<result<std::size_t>> write_at(std::uint64_t offset, std::span<const std::byte> from) const;

  /// Writes all of it. After an error some may have been written, from the front: the message says how much.
  [[nodiscard]] task<result<void>> write_all_at(std::uint64_t offset, std::span<const std::byte> from) const;

  /// The length in bytes, of a block device too.
  [[nodiscard]] task<result<std::uint64_t>> size() const;

  /// Makes the file that long: cut off, or filled up with zeros.
  /// Errors: also errc::out_of_range, as write_at().
  [[nodiscard]] task<result<void>> truncate(std::uint64_t size) const;

  /// Returns when what was written is on the disk. After an error some of it may be lost for good although a second
  /// sync() succeeds: write it again, elsewhere.
  [[nodiscard]] task<result<void>> sync() const;
  /// The same without what only describes the file, as its times.
  [[nodiscard]] task<result<void>> sync_data() const;

  /// Closes the file for all who use it: later operations fail with errc::closed. Those under way go on to their end,
  /// and it waits for them.
  /// Cancel: the file is closed for all that; its descriptor when the last operation has ended and this object is gone.
  /// Errors: also what the system says only now, as of writes that it had put off (on network file systems).
  ///         errc::closed if it was closed before.
  [[nodiscard]] task<result<void>> close();

  /// What direct I/O on it must keep to. {1, 1} if it was opened without.
  [[nodiscard]] io_alignment alignment() const noexcept;
  /// As given to open(). Empty for no file.
  [[nodiscard]] std::string_view path() const noexcept;
  /// False for an object that has no file. A file that was closed counts.
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

  file(file&&) noexcept = default;
  file& operator=(file&&) noexcept = default;

  /// Not for users.
  explicit file(std::shared_ptr<detail::file_state> state) noexcept;

 private:
  std::shared_ptr<detail::file_state> state_;
};

/// What read_file() reads at most, unless told otherwise.
inline constexpr std::size_t most_of_a_file = std::size_t{1} << 30;

/// The whole file, up to its end. What is appended meanwhile may be part of it.
/// Cancel, Errors: as file; errc::resource_exhausted if it is longer than `most` bytes.
[[nodiscard]] task<result<std::string>> read_file(std::string path, std::size_t most = most_of_a_file);

/// Replaces the file at `path`, or makes it: whoever opens it sees what was there or all of `bytes`, and after a
/// success a crash of the system does not bring back the former. `bytes` must stay until it has ended.
///
/// They are written to a file of another name in the same folder (`.NAME.` and 16 hexadecimal digits), which then takes
/// the name. It has the permissions of the file it replaces, else 0666 without the umask; its owner is the process. Of
/// a symbolic link the link is replaced. After a crash the other file may be left.
///
/// Cancel: safe: as long as it is not too late, nothing has changed; else it goes on to its end.
/// Errors: as file; the message names `path`, never the other file. Nothing has changed, and the other file is removed,
///         unless the message says "after the replacement": then only the folder could not be synced.
[[nodiscard]] task<result<void>> write_file_atomically(std::string path, std::span<const std::byte> bytes);
[[nodiscard]] inline task<result<void>> write_file_atomically(std::string path, std::string_view text) {
  return write_file_atomically(std::move(path), std::as_bytes(std::span(text)));
}

}  // namespace tandem
