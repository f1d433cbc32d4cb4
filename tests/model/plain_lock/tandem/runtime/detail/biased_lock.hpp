// In the models of channels: the biased lock as what it is to its users, a lock. That it is one is a model of its own
// (biased_lock_model.cpp); its steps, multiplied by those of a select, would be too many to try every order.
#pragma once
#include <tandem/runtime/detail/sync.hpp>

namespace tandem::detail {

class biased_lock {
 public:
  void lock(sync::where at = sync::where::current()) noexcept { lock_.lock(at); }
  void unlock(sync::where at = sync::where::current()) noexcept { lock_.unlock(at); }

 private:
  sync::mutex lock_;
};

}  // namespace tandem::detail
