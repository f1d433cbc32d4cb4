// Messages that wait, in the order in which they came.
#pragma once
#include <utility>

#include <tandem/actors/detail/envelope.hpp>

namespace tandem::actors::detail {

/// A singly linked list of envelopes, owned; oldest first. It is a ring, of which the list knows the end: an actor has
/// six of them.
class envelope_list {
  static auto is(const envelope* which) noexcept {
    return [which](const envelope& e) { return &e == which; };
  }

 public:
  envelope_list() = default;
  envelope_list(envelope_list&& other) noexcept : last_(std::exchange(other.last_, nullptr)) {}
  envelope_list& operator=(envelope_list other) noexcept {
    std::swap(last_, other.last_);
    return *this;
  }
  ~envelope_list() {
    while (!empty()) (void)pop();
  }

  [[nodiscard]] bool empty() const noexcept { return last_ == nullptr; }
  /// The oldest; not of an empty list.
  [[nodiscard]] const envelope& front() const noexcept { return *last_->next; }
  void push(envelope_ptr e) noexcept {
    push_front(std::move(e));
    last_ = last_->next;
  }
  void push_front(envelope_ptr e) noexcept {
    envelope* const added = e.release();
    if (!last_) last_ = added->next = added;
    added->next = last_->next;
    last_->next = added;
  }
  /// `others` come behind.
  void append(envelope_list&& others) noexcept {
    envelope* const end = std::exchange(others.last_, nullptr);
    if (!end) return;
    if (last_) std::swap(end->next, last_->next);
    last_ = end;
  }
  [[nodiscard]] envelope_ptr pop() noexcept { return take_after(*last_); }
  /// The oldest that is wanted; null if there is none.
  [[nodiscard]] envelope_ptr pop(envelope_filter wanted) noexcept { return pop_if(wanted); }
  [[nodiscard]] bool has(envelope_filter wanted) const noexcept { return before(wanted) != nullptr; }
  /// Null if it is not in the list.
  [[nodiscard]] envelope_ptr pop(const envelope* which) noexcept { return pop_if(is(which)); }
  [[nodiscard]] bool has(const envelope* which) const noexcept { return before(is(which)) != nullptr; }

 private:
  // The one before the oldest that satisfies it.
  template <class Predicate>
  envelope* before(const Predicate& wanted) const noexcept {
    envelope* at = last_;
    if (!at) return nullptr;
    do {
      if (wanted(*at->next)) return at;
      at = at->next;
    } while (at != last_);
    return nullptr;
  }

  template <class Predicate>
  envelope_ptr pop_if(const Predicate& wanted) noexcept {
    envelope* const at = before(wanted);
    return at ? take_after(*at) : nullptr;
  }

  envelope_ptr take_after(envelope& at) noexcept {
    envelope_ptr taken(at.next);
    at.next = taken->next;
    if (taken.get() == last_) last_ = &at == last_ ? nullptr : &at;
    return taken;
  }

  envelope* last_ = nullptr;
};

}  // namespace tandem::actors::detail
