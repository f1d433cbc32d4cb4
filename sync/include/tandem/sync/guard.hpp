// What holds a lock of a task, and lets go of it at its end.
#pragma once
#include <utility>

namespace tandem::sync {

namespace detail {
[[noreturn]] void not_locked(const char* what);
}  // namespace detail

/// Holds a `Mutex`, which it unlocks in its destructor.
///
/// Owns:    the lock, or after a move, unlock() or release() nothing. Refers to the mutex.
/// Threads: may be moved to another task, or dropped on any thread.
template <class Mutex>
class [[nodiscard]] guard {
 public:
  guard() noexcept = default;
  /// Adopts a lock that is held.
  explicit guard(Mutex& locked) noexcept : mutex_(&locked) {}
  guard(guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
  guard& operator=(guard other) noexcept {
    std::swap(mutex_, other.mutex_);
    return *this;
  }
  ~guard() {
    if (mutex_) mutex_->unlock();
  }

  /// Before the end.   Errors: throws std::logic_error if it holds nothing.
  void unlock() {
    if (!mutex_) [[unlikely]] detail::not_locked("guard");
    std::exchange(mutex_, nullptr)->unlock();
  }

  /// Gives the lock to the caller, who calls unlock() of the mutex. Null if it holds nothing.
  [[nodiscard]] Mutex* release() noexcept { return std::exchange(mutex_, nullptr); }

  /// Null if it holds nothing.
  [[nodiscard]] Mutex* mutex() const noexcept { return mutex_; }
  [[nodiscard]] bool holds() const noexcept { return mutex_ != nullptr; }
  [[nodiscard]] explicit operator bool() const noexcept { return holds(); }

 private:
  Mutex* mutex_ = nullptr;
};

}  // namespace tandem::sync
