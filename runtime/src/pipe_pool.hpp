// Pipes that splice() goes through: made when they are needed, and kept for the next.
#pragma once
#include <array>
#include <cstddef>
#include <mutex>
#include <vector>

#include "file_state.hpp"

namespace tandem::detail {

/// An empty pipe whose ends do not block, or none.
struct empty_pipe {
  owned_descriptor out;
  owned_descriptor in;
  std::size_t capacity = 0;

  empty_pipe() = default;
  empty_pipe(empty_pipe&& other) noexcept;
  empty_pipe& operator=(empty_pipe&& other) noexcept;
  [[nodiscard]] explicit operator bool() const noexcept { return in.get() >= 0; }
};

/// Threads: every member may be called from any thread.
class pipe_pool {
 public:
  /// Most that are kept while nobody needs them.
  static constexpr std::size_t most_idle = 16;

  /// 0, or a negative errno.
  [[nodiscard]] long borrow(empty_pipe& lent) noexcept;
  /// It must be empty.
  void give_back(empty_pipe pipe) noexcept;
  /// Closes those that are idle, and from now on those that come back.
  void stop() noexcept;

  [[nodiscard]] std::size_t idle() const;

 private:
  mutable std::mutex lock_;
  std::array<empty_pipe, most_idle> idle_;  // guarded by lock_
  std::size_t count_ = 0;                   // guarded by lock_: those of idle_, from the front
  bool stopped_ = false;                    // guarded by lock_
};

}  // namespace tandem::detail
