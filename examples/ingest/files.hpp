// Documents from files instead of clients.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include <tandem/errors/result.hpp>
#include <tandem/runtime/task.hpp>

#include "store.hpp"

namespace ingest {

struct file_counts {
  std::size_t stored = 0;
  std::size_t refused = 0;  ///< Documents that are no JSON, and files that cannot be read.
};

/// Stores what the files hold: a document per line in *.jsonl and *.ndjson, where empty lines do not count, and one
/// document in others. What is wrong is printed to stderr, with file and line; the rest is stored, in any order.
/// Errors: documents that are JSON could not be stored.
[[nodiscard]] tandem::task<tandem::result<file_counts>> ingest_files(store_options options,
                                                                     std::vector<std::string> paths);

}  // namespace ingest
