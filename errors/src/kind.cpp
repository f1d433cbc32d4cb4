#include <tandem/errors/kind.hpp>

#include "kind_list.hpp"

namespace tandem {

constinit std::mutex kind_list::lock;
constinit kind* kind_list::first = nullptr;

void kind_list::add(kind& added) noexcept {
  const std::lock_guard hold(lock);
  added.next_ = first;
  if (first != nullptr) first->previous_ = &added;
  first = &added;
}

void kind_list::remove(kind& removed) noexcept {
  const std::lock_guard hold(lock);
  (removed.previous_ != nullptr ? removed.previous_->next_ : first) = removed.next_;
  if (removed.next_ != nullptr) removed.next_->previous_ = removed.previous_;
}

kind::kind(static_text key, errc code, static_text public_text)
    : key_(key.view()), public_text_(public_text.view()), code_(code) {
  kind_list::add(*this);
}

kind::~kind() { kind_list::remove(*this); }

}  // namespace tandem
