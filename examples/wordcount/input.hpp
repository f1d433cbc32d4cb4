// The files of a job: finding them, cutting them into chunks, reading the chunks. Everything here may block.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/context.hpp>

#include "text.hpp"

namespace wordcount {

struct input_file {
  std::string path;
  std::uint64_t bytes = 0;  ///< When it was found; when it was planned, from then on.
  tandem::error problem;    ///< Why it is not counted after all; none: it is.
};

struct found_files {
  std::vector<input_file> usable;       ///< Sorted by path, each path once.
  std::vector<tandem::error> problems;  ///< One for each path that is not.
};

/// Part of a file: all of a small one, or a piece that cuts no word.
struct piece {
  std::size_t file = 0;  ///< Index of the input_file.
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

/// What is sent to a mapper at a time: one piece of a large file, or several small files.
struct chunk {
  std::uint64_t id = 0;
  std::vector<piece> pieces;
  std::size_t text_hash = 0;  ///< Of the text as it was first read.
  bool was_read = false;

  [[nodiscard]] std::uint64_t bytes() const noexcept;
};

/// Indices of neighbouring files that are small enough to share a chunk; a large one is alone.
struct file_batch {
  std::size_t first = 0;
  std::size_t end = 0;
};

/// All regular files among `arguments` and below the folders among them. Links to files are followed, links to folders
/// only if they are arguments.
[[nodiscard]] found_files find_files(const std::vector<std::string>& arguments);

[[nodiscard]] std::vector<file_batch> make_batches(const std::vector<input_file>& files, const chunk_sizes& sizes);

/// Cuts a batch's files into chunks, without ids. A file that cannot be read or cut gets a problem, and no chunk has a
/// piece of it. Files without bytes need no chunk.
/// Errors: why `until` is over, soon after it is: a very large file takes seconds.
[[nodiscard]] tandem::result<std::vector<chunk>> plan_chunks(const file_batch& batch, std::vector<input_file>& files,
                                                             const chunk_sizes& sizes, const tandem::context& until);

/// Reads a chunk; its pieces are separated by line feeds. What is wrong with a file that is in the chunk as a whole
/// becomes the file's problem, and the chunk does without it, provided that it is read for the first time.
/// Errors: errc::aborted if a file changed since it was planned or since this chunk was read before; else why a piece
///         cannot be read.
[[nodiscard]] tandem::result<std::string> read_chunk(chunk& what, std::vector<input_file>& files);

}  // namespace wordcount
