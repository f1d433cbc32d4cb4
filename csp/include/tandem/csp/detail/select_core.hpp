// What select() does, whatever its arms are: the base of arms, and registering, parking and finishing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <tandem/csp/detail/channel.hpp>
#include <tandem/runtime/detail/selection.hpp>
#include <tandem/runtime/detail/task_record.hpp>

namespace tandem::csp::detail {

/// One thing a select waits for. Used by one select at a time, and in one place from enlist() to delist(); between two
/// selects it may be moved to another.
///
/// What else a kind of arm has (0019 says what each must promise):
///   outcome  what take() yields, once, if the arm won;
///   repeats  whether it may be waited for again after that;
///   retain() and release(), if it borrows something that can be shared, for an arm that is stored: see any_arm.
class select_arm {
 public:
  /// May attempt() succeed? A hint: it looks without a lock, but misses nothing that happened before.
  [[nodiscard]] virtual bool may_be_ready() const noexcept = 0;

  /// Takes effect if that needs no waiting. The select is not registered anywhere yet.
  [[nodiscard]] virtual bool attempt() noexcept = 0;

  /// Looks once more, and becomes visible to others if it must wait. From the first arm that waits on, others may
  /// decide `own` at any time.
  [[nodiscard]] virtual commit enlist(selection& own, std::uint32_t arm, task_record& task) = 0;

  /// Leaves where it enlisted. When it returns, nobody else uses the arm any more. `settled`: the arm won, and its
  /// winner has let go of everything but the task itself.
  virtual void delist(bool settled) noexcept = 0;

 protected:
  select_arm() = default;
  ~select_arm() = default;
};

/// The arms of a select, in order, wherever the pointers to them are kept.
class arm_list {
 public:
  arm_list() = default;
  explicit arm_list(std::span<select_arm* const> arms) noexcept
      : first_(arms.data()), stride_(1), size_(static_cast<std::uint32_t>(arms.size())) {}
  /// `first` is the first word of the first of `size` objects, each of `stride` words.
  arm_list(select_arm* const* first, std::size_t stride, std::size_t size) noexcept
      : first_(first), stride_(stride), size_(static_cast<std::uint32_t>(size)) {}

  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
  [[nodiscard]] select_arm& operator[](std::uint32_t i) const noexcept { return *first_[i * stride_]; }

 private:
  select_arm* const* first_ = nullptr;
  std::size_t stride_ = 0;
  std::uint32_t size_ = 0;
};

/// The waiting part of a select. Its states are those of selection:
///
/// (L1) Arms enlist one after the other, each under its own lock only: there is no order among channels.
/// (L2) Whatever decides the selection decides it once (S1), so at most one arm takes effect. An arm's value moves under
///      its channel's lock by the party that decided.
/// (L3) A party that finds the selection registering does not wake the task. The task then finds itself decided, and
///      locks and unlocks the winning arm's channel in delist(), so that it sees the value moved and the party gone.
///      A party that finds it parked wakes the task after its unlock, so the winning channel needs no lock then.
/// (L4) Arms end after every arm that enlisted has delisted. A dead node met by others meanwhile is unlinked by them.
class select_core {
 public:
  static constexpr int context_over = -2;
  static constexpr int undecided = -1;

  select_core() = default;
  select_core(const select_core&) = delete;
  select_core& operator=(const select_core&) = delete;

  /// True if the task must stay suspended; then it may run elsewhere already, and *this may be gone.
  /// Errors: throws std::bad_alloc if a timer cannot be kept; no arm has taken effect then.
  [[nodiscard]] bool start(task_record& task, arm_list arms);

  /// After the suspension, or after start() returned false: the arm that won, or context_over.
  [[nodiscard]] int finish() noexcept;

 private:
  void delist(int winner) noexcept;

  selection selection_;
  arm_list arms_;
  std::uint32_t enlisted_ = 0;  // so many arms have enlisted, from the first on
  bool waits_ = false;          // begin_wait() was called
  bool parked_ = false;
};

}  // namespace tandem::csp::detail
