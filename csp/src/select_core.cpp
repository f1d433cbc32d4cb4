#include <tandem/csp/detail/select_core.hpp>

namespace tandem::csp::detail {

bool select_core::start(task_record& task, arm_list arms) {
  selection_.bind(task);
  arms_ = arms;
  const std::uint32_t context_arm = arms.size();
  try {
    for (; enlisted_ < arms.size(); ++enlisted_)
      if (arms[enlisted_].enlist(selection_, enlisted_, task) != commit::waiting) return false;
  } catch (...) {
    if (!selection_.decide(context_arm)) return false;  // an arm took effect meanwhile, so the rest does not matter
    delist(undecided);
    throw;
  }
  // After the channels, because a context's lock comes before theirs, and under none of theirs.
  waits_ = true;
  static constexpr tandem::detail::wait_kind kind{"an arm of a select",
                                                  [](task_record& t) noexcept {
                                                    auto& self = *static_cast<select_core*>(t.what);
                                                    self.selection_.claim_and_wake(self.enlisted_);
                                                  },
                                                  nullptr,
                                                  [](task_record& t) noexcept {
                                                    auto& self = *static_cast<select_core*>(t.what);
                                                    tandem::detail::end_wait(t);
                                                    self.delist(undecided);
                                                  }};
  if (!tandem::detail::begin_wait(task, kind, this)) {
    (void)selection_.decide(context_arm);  // false: an arm was faster
    return false;
  }
  parked_ = true;  // before park(), the last touch of the frame
  if (selection_.park()) return true;
  parked_ = false;
  return false;
}

int select_core::finish() noexcept {
  const int winner = selection_.decided();
  if (waits_) tandem::detail::end_wait(selection_.owner());
  delist(winner);
  return winner == static_cast<int>(arms_.size()) ? context_over : winner;
}

void select_core::delist(int winner) noexcept {
  for (std::uint32_t i = 0; i < enlisted_; ++i) arms_[i].delist(parked_ && static_cast<int>(i) == winner);
}

}  // namespace tandem::csp::detail
