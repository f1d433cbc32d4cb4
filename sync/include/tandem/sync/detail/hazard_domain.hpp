// All hazard records of the process: whoever reads leases one, whoever retires asks all of them.
#pragma once
#include <cstddef>
#include <utility>

#include <tandem/sync/detail/hazard.hpp>

namespace tandem::sync::detail {

/// A thread's own free records.
struct hazard_cache {
  static constexpr std::size_t capacity = 64;
  hazard_record* first = nullptr;
  std::size_t length = 0;
  bool kept = false;  // its records go back when the thread ends
  bool gone = false;  // they have: other thread_locals' destructors take theirs from all
};
extern constinit thread_local hazard_cache own_hazards;

/// With an empty cache. Fills it.   Errors: throws std::bad_alloc.
[[nodiscard]] hazard_record* take_hazard_slowly();
/// With a full cache, or in a thread that keeps none yet or any more.
void give_hazard_slowly(hazard_record& r) noexcept;

/// Frees `old`, which no reader can reach any more, or has the last of those who read it in their first slot do that.
/// Runs free_this() under no lock.
void retire(retirable& old) noexcept;

/// take_unread() over all records.
[[nodiscard]] hazardous* take_unread(hazardous*& retired) noexcept;

/// How many records there are, for tests: the most that were ever leased at a time, and what threads keep.
[[nodiscard]] std::size_t hazard_record_count() noexcept;

/// How many were handed over to their readers and are not freed yet, for tests.
[[nodiscard]] std::size_t handed_over_count() noexcept;

/// Lease of a record, by a task or a thread; it may move to another thread. Nothing is protected at its beginning and
/// at its end.
class hazard_lease {
 public:
  /// Errors: throws std::bad_alloc.
  hazard_lease() {
    hazard_cache& mine = own_hazards;
    record_ = mine.first;
    if (!record_) [[unlikely]] {
      record_ = take_hazard_slowly();
      return;
    }
    mine.first = record_->next_free;
    --mine.length;
  }
  hazard_lease(hazard_lease&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  hazard_lease& operator=(hazard_lease&&) = delete;
  ~hazard_lease() {
    if (!record_) return;
    hazard_cache& mine = own_hazards;
    if (mine.length >= hazard_cache::capacity || !mine.kept) [[unlikely]] {
      give_hazard_slowly(*record_);
      return;
    }
    record_->next_free = mine.first;
    mine.first = record_;
    ++mine.length;
  }

  void swap(hazard_lease& other) noexcept { std::swap(record_, other.record_); }

  [[nodiscard]] hazard_record& operator*() const noexcept { return *record_; }
  [[nodiscard]] hazard_record* operator->() const noexcept { return record_; }
  /// False once it was moved from.
  explicit operator bool() const noexcept { return record_ != nullptr; }

 private:
  hazard_record* record_;
};

}  // namespace tandem::sync::detail
