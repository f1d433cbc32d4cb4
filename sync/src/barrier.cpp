#include <tandem/sync/barrier.hpp>

#include <stdexcept>
#include <string>

namespace tandem::sync {

barrier::barrier(std::ptrdiff_t parties) : parties_(parties) {
  if (parties < 1) throw std::invalid_argument("tandem: a barrier of " + std::to_string(parties) + " parties");
}

bool barrier::complete_round(std::ptrdiff_t arriving, detail::wake_list& woken) noexcept {
  if (waiting_ + arriving < parties_) return false;
  waiting_ = 0;
  complete_all(woken);
  return true;
}

result<void> barrier::try_arrive() {
  detail::wake_list woken;
  lock_.lock();
  const bool nobody = parties_ == 0;
  const bool last = !nobody && complete_round(1, woken);
  lock_.unlock();
  if (nobody) return refuse();
  if (!last) return fail(errc::would_block);
  woken.wake();
  return {};
}

void barrier::drop_out() {
  detail::wake_list woken;
  lock_.lock();
  const bool valid = parties_ > waiting_;
  if (valid) {
    --parties_;
    if (waiting_ > 0) (void)complete_round(0, woken);
  }
  lock_.unlock();
  if (!valid) throw std::logic_error("tandem: a party drops out of a barrier at which all that are left wait");
  woken.wake();
}

std::ptrdiff_t barrier::parties() noexcept {
  lock_.lock();
  const std::ptrdiff_t now = parties_;
  lock_.unlock();
  return now;
}

std::unexpected<error> barrier::refuse() {
  return fail(errc::failed_precondition, "all parties have dropped out of the barrier");
}

}  // namespace tandem::sync
