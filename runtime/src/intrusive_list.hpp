// A list of objects that bring the links along.
#pragma once
#include <cstddef>

namespace tandem::detail {

/// In order, of a T with the members `T* previous` and `T* next`, which is in one such list at most. Owns nothing.
/// Threads: as its user guards it, the links included.
template <class T>
class intrusive_list {
 public:
  intrusive_list() = default;
  intrusive_list(const intrusive_list&) = delete;
  intrusive_list& operator=(const intrusive_list&) = delete;

  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  void push_back(T& added) noexcept {
    added.previous = last_;
    added.next = nullptr;
    (last_ ? last_->next : first_) = &added;
    last_ = &added;
    ++size_;
  }
  void remove(T& listed) noexcept {
    (listed.previous ? listed.previous->next : first_) = listed.next;
    (listed.next ? listed.next->previous : last_) = listed.previous;
    --size_;
  }
  /// Takes the first one out. There must be one.
  T& take_front() noexcept {
    T& taken = *first_;
    remove(taken);
    return taken;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace tandem::detail
