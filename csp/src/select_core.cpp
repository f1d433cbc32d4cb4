#include <tandem/csp/detail/select_core.hpp>

namespace tandem::csp::detail {

bool select_core::start(task_record& task, std::span<select_arm* const> arms) {
  selection_.bind(task);
  const auto context_arm = static_cast<std::uint32_t>(arms.size());
  try {
    for (select_arm* const arm : arms) {
      if (arm->enlist(selection_, enlisted_, task) != commit::waiting) return false;
      ++enlisted_;
    }
  } catch (...) {
    if (!selection_.decide(context_arm)) return false;  // an arm took effect meanwhile, so the rest does not matter
    delist(arms, undecided);
    throw;
  }
  // After the channels, because a context's lock comes before theirs, and under none of theirs.
  waits_ = true;
  arms_ = arms.data();
  static constexpr tandem::detail::wait_kind kind{"an arm of a select",
                                                  [](task_record& t) noexcept {
                                                    auto& self = *static_cast<select_core*>(t.operation);
                                                    self.selection_.claim_and_wake(self.enlisted_);
                                                  },
                                                  nullptr,
                                                  [](task_record& t) noexcept {
                                                    auto& self = *static_cast<select_core*>(t.operation);
                                                    tandem::detail::end_wait(t);
                                                    self.delist({self.arms_, self.enlisted_}, undecided);
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

int select_core::finish(std::span<select_arm* const> arms) noexcept {
  const int winner = selection_.decided();
  if (waits_) tandem::detail::end_wait(selection_.owner());
  delist(arms, winner);
  return winner == static_cast<int>(arms.size()) ? context_over : winner;
}

void select_core::delist(std::span<select_arm* const> arms, int winner) noexcept {
  for (std::uint32_t i = 0; i < enlisted_; ++i) arms[i]->delist(parked_ && static_cast<int>(i) == winner);
}

}  // namespace tandem::csp::detail
