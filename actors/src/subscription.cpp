#include <tandem/actors/subscription.hpp>

namespace tandem::actors {

void subscription::end() noexcept {
  if (!of_) return;
  state_->over.store(true, std::memory_order_relaxed);  // the list follows, and orders what matters
  of_->forget(*state_);
  of_ = {};
}

std::uint64_t subscription::missed() const noexcept {
  return state_ ? state_->missed.load(std::memory_order_relaxed) : 0;  // a counter
}

bool subscription::active() const { return of_ && of_->has(*state_); }

}  // namespace tandem::actors
