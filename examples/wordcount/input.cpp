#include "input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <iterator>
#include <span>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace wordcount {
namespace {

namespace fs = std::filesystem;
using tandem::errc;
using tandem::result;

tandem::error system_problem(int code) {
  errc kind = errc::unavailable;
  if (code == ENOENT || code == ENOTDIR || code == ELOOP || code == ENAMETOOLONG) kind = errc::not_found;
  if (code == EACCES || code == EPERM) kind = errc::permission_denied;
  return tandem::make_error(kind, std::generic_category().message(code));
}

tandem::error cannot_read(const std::string& path, tandem::error why) {
  return tandem::with_message(std::move(why), "cannot read " + path);
}

/// An open file.
class descriptor {
 public:
  static result<descriptor> open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // not to wait for the writer of a pipe
    if (fd < 0) return tandem::fail(system_problem(errno));
    return descriptor(fd);
  }
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  [[nodiscard]] result<std::uint64_t> size() const {
    struct stat status {};
    if (fstat(fd_, &status) != 0) return tandem::fail(system_problem(errno));
    if (!S_ISREG(status.st_mode)) return tandem::fail(errc::invalid_argument, "it is no regular file");
    return static_cast<std::uint64_t>(status.st_size);
  }

  /// As read_at.
  result<std::size_t> read(std::uint64_t offset, std::span<char> into) const {
    std::size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return tandem::fail(system_problem(errno));
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

 private:
  explicit descriptor(int fd) : fd_(fd) {}

  int fd_;
};

void add_file(std::vector<input_file>& to, std::string path, const fs::file_status& status, std::error_code failed) {
  input_file file;
  if (!fs::exists(status)) {
    file.problem = system_problem(failed ? failed.value() : ENOENT);
  } else if (!fs::is_regular_file(status)) {
    file.problem = tandem::make_error(errc::invalid_argument, "it is neither a file nor a folder");
  } else if (const auto size = fs::file_size(path, failed); failed) {
    file.problem = system_problem(failed.value());
  } else {
    file.bytes = size;
  }
  if (file.problem) file.problem = cannot_read(path, std::move(file.problem));
  file.path = std::move(path);
  to.push_back(std::move(file));
}

void add_folder(std::vector<input_file>& to, const std::string& path) {
  std::error_code failed;
  fs::directory_iterator entries(path, failed);
  for (; !failed && entries != fs::directory_iterator(); entries.increment(failed)) {
    const std::string name = entries->path().string();
    std::error_code ignored;
    const fs::file_status status = entries->status(ignored);  // of what a link leads to
    if (fs::is_directory(status)) {
      if (!entries->is_symlink(ignored)) add_folder(to, name);
    } else if (fs::is_regular_file(status) || !fs::exists(status)) {
      add_file(to, name, status, ignored);
    }
  }
  if (failed) to.push_back({path, 0, cannot_read(path, system_problem(failed.value()))});
}

result<std::vector<chunk>> plan_file(std::size_t index, input_file& file, const chunk_sizes& sizes,
                                     const tandem::context& until) {
  TANDEM_TRY_ASSIGN(const descriptor opened, descriptor::open(file.path));
  TANDEM_TRY_ASSIGN(file.bytes, opened.size());
  const read_at read = [&](std::uint64_t offset, std::span<char> into) -> result<std::size_t> {
    if (until.is_over()) return tandem::fail(until.why());
    return opened.read(offset, into);
  };
  if (file.bytes == 0) {
    char byte = 0;
    TANDEM_TRY_ASSIGN(const std::size_t got, opened.read(0, std::span(&byte, 1)));
    if (got != 0) return tandem::fail(errc::invalid_argument, "its size is not known beforehand; count a copy of it");
  }
  TANDEM_TRY_ASSIGN(const auto ends, chunk_ends(file.bytes, sizes, read));
  std::vector<chunk> chunks;
  std::uint64_t start = 0;
  for (const std::uint64_t end : ends) {
    chunks.emplace_back().pieces.push_back({index, start, end - start});
    start = end;
  }
  return chunks;
}

/// Appends the piece to `text`.
result<void> read_piece(const piece& part, const std::string& path, std::string& text) {
  TANDEM_TRY_ASSIGN(const descriptor opened, descriptor::open(path));
  const std::size_t start = text.size();
  text.resize(start + part.bytes);
  TANDEM_TRY_ASSIGN(const std::size_t got, opened.read(part.offset, std::span(text).subspan(start)));
  if (got < part.bytes) return tandem::fail(errc::aborted, "it became shorter while it was being counted");
  return {};
}

}  // namespace

std::uint64_t chunk::bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const piece& part : pieces) sum += part.bytes;
  return sum;
}

found_files find_files(const std::vector<std::string>& arguments) {
  std::vector<input_file> files;
  for (const std::string& argument : arguments) {
    std::error_code failed;
    const fs::file_status status = fs::status(argument, failed);
    if (fs::is_directory(status)) {
      add_folder(files, argument);
    } else {
      add_file(files, argument, status, failed);
    }
  }
  std::ranges::sort(files, {}, &input_file::path);
  const auto repeated = std::ranges::unique(files, {}, &input_file::path);
  files.erase(repeated.begin(), repeated.end());
  found_files found;
  for (input_file& file : files) {
    if (file.problem) {
      found.problems.push_back(std::move(file.problem));
    } else {
      found.usable.push_back(std::move(file));
    }
  }
  return found;
}

std::vector<file_batch> make_batches(const std::vector<input_file>& files, const chunk_sizes& sizes) {
  std::vector<file_batch> batches;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (batches.empty() || bytes + files[i].bytes > sizes.target_bytes) {
      batches.push_back({i, i});
      bytes = 0;
    }
    batches.back().end = i + 1;
    bytes += files[i].bytes;
  }
  return batches;
}

result<std::vector<chunk>> plan_chunks(const file_batch& batch, std::vector<input_file>& files,
                                       const chunk_sizes& sizes, const tandem::context& until) {
  std::vector<chunk> planned;
  chunk small_ones;
  for (std::size_t i = batch.first; i < batch.end; ++i) {
    input_file& file = files[i];
    auto its_chunks = plan_file(i, file, sizes, until);
    if (until.is_over()) return tandem::fail(until.why());
    if (!its_chunks) {
      file.problem = cannot_read(file.path, std::move(its_chunks).error());
    } else if (its_chunks->size() == 1) {
      small_ones.pieces.push_back(its_chunks->front().pieces.front());
    } else {
      std::ranges::move(*its_chunks, std::back_inserter(planned));
    }
  }
  if (!small_ones.pieces.empty()) planned.push_back(std::move(small_ones));
  return planned;
}

result<std::string> read_chunk(chunk& what, std::vector<input_file>& files) {
  std::string text;
  text.reserve(what.bytes() + what.pieces.size());
  std::vector<piece> usable;
  for (const piece& part : what.pieces) {
    input_file& file = files[part.file];
    const std::size_t start = text.size();
    auto done = read_piece(part, file.path, text);
    if (!done && (what.was_read || part.bytes != file.bytes))
      return tandem::fail(cannot_read(file.path, std::move(done).error()));
    if (done) {
      text += '\n';
      usable.push_back(part);
    } else {
      text.resize(start);
      file.problem = cannot_read(file.path, std::move(done).error());
    }
  }
  const std::size_t hash = std::hash<std::string>()(text);
  if (what.was_read && hash != what.text_hash)
    return tandem::fail(errc::aborted, files[what.pieces.front().file].path +
                                           ", or a file counted together with it, changed while it was being counted");
  what.pieces = std::move(usable);
  what.text_hash = hash;
  what.was_read = true;
  return text;
}

}  // namespace wordcount
