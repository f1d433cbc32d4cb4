// How far a count has come, on stderr: a bar on a terminal, plain lines elsewhere.
#pragma once
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include <tandem/errors/error.hpp>
#include <tandem/runtime/task.hpp>
#include <tandem/runtime/time.hpp>

namespace wordcount {

/// Threads: every member may be called from any thread.
class progress {
 public:
  explicit progress(bool on_terminal) : on_terminal_(on_terminal) {}
  /// Removes the bar.
  ~progress() { hide(); }
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// Something worth a line of its own.
  void milestone(std::string_view text);
  void problem(const tandem::error& what);

  void start(std::uint64_t bytes_in_all);
  void chunk_done(std::uint64_t bytes);
  void nodes_up(std::size_t count);

  [[nodiscard]] std::uint64_t bytes_done() const;

  /// Shows the state now and then until it is cancelled.
  tandem::task<> show();

  void hide();

 private:
  [[nodiscard]] std::string line() const;
  void erase_bar();

  const bool on_terminal_;
  mutable std::mutex mutex_;  // guards everything below
  bool bar_shown_ = false;
  bool started_ = false;
  tandem::time_point start_{};
  std::uint64_t bytes_in_all_ = 0;
  std::uint64_t bytes_done_ = 0;
  std::uint64_t chunks_done_ = 0;
  std::size_t nodes_ = 1;
};

}  // namespace wordcount
