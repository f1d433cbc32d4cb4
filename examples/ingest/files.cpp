#include "files.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <exception>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <tandem/errors/exception.hpp>
#include <tandem/errors/format.hpp>
#include <tandem/runtime/file.hpp>
#include <tandem/runtime/or_return.hpp>

#include "json.hpp"

namespace ingest {

using namespace tandem;

namespace {

constexpr std::size_t most_at_once = 1024;  // documents whose outcome is not known yet
constexpr std::chrono::hours patience{1};   // with the disk, at the end

class loader {
 public:
  explicit loader(const store_options& o) : store_(o) {}

  task<result<file_counts>> load(std::vector<std::string> paths) {
    co_await or_return(store_.open());
    result<void> loaded;
    try {
      loaded = co_await load_all(paths);
    } catch (...) {
      loaded = fail(from_exception(std::current_exception()));
    }
    const auto closed = co_await store_.close(patience);
    if (!loaded) co_return fail(loaded.error());
    if (!closed) co_return fail(closed.error());
    co_return counts_;
  }

 private:
  task<result<void>> load_all(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) co_await or_return(load_file(path));
    while (!under_way_.empty()) co_await or_return(settle_first());
    co_return {};
  }

  task<result<void>> load_file(const std::string& path) {
    auto text = co_await read_file(path);
    if (!text) {
      refuse(text.error());
    } else if (!path.ends_with(".jsonl") && !path.ends_with(".ndjson")) {
      co_await or_return(load_document(std::move(*text), path));
    } else {
      co_await or_return(load_lines(*text, path));
    }
    co_return {};
  }

  task<result<void>> load_lines(const std::string& text, const std::string& path) {
    std::string_view rest = text;
    for (std::size_t number = 1; !rest.empty(); ++number) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      co_await or_return(load_document(std::string(line), fmt::format("{}:{}", path, number)));
    }
    co_return {};
  }

  task<result<void>> load_document(std::string text, std::string from) {
    auto line = one_line_of_json(std::move(text));
    if (!line) {
      refuse(wrap(std::move(line).error(), from));
      co_return {};
    }
    if (under_way_.size() == most_at_once) co_await or_return(settle_first());
    auto d = std::make_shared<document>(std::move(*line));
    under_way_.push_back(d);
    co_return co_await store_.submit(std::move(d));
  }

  task<result<void>> settle_first() {
    const document_ptr first = std::move(under_way_.front());
    under_way_.pop_front();
    co_await or_return(first->settled());
    ++counts_.stored;
    co_return {};
  }

  void refuse(const error& why) {
    ++counts_.refused;
    fmt::print(stderr, "ingest: {}\n", why);
  }

  document_store store_;
  std::deque<document_ptr> under_way_;
  file_counts counts_;
};

}  // namespace

task<result<file_counts>> ingest_files(store_options options, std::vector<std::string> paths) {
  options.when_full = csp::pool_full::wait;
  loader l(options);
  co_return co_await l.load(std::move(paths));
}

}  // namespace ingest
