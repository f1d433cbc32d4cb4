// Which actor systems there are: a ref may outlive the system of its actor, and whoever sends by it may have a dead
// letter for that system just when it goes.
#pragma once
#include <cstdint>

namespace tandem::actors::detail {

struct system_impl;

/// Part of a system; says that it is there.
///
/// (L1) A system is found by its number. That comes again after 2^32 systems only, so who has the number of one that is
///      gone finds nothing.
/// (L2) What was found stays while it is visited: withdraw() waits for that.
class living_system {
 public:
  explicit living_system(system_impl& whose) noexcept;
  living_system(const living_system&) = delete;
  living_system& operator=(const living_system&) = delete;
  ~living_system() { withdraw(); }

  [[nodiscard]] std::uint32_t number() const noexcept { return number_; }
  /// Nobody finds it any more, and who found it has left. Not by a visitor. Again: nothing happens.
  void withdraw() noexcept;

  /// Threads: any.
  class visit {
   public:
    explicit visit(std::uint32_t number) noexcept;
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    ~visit();
    /// Null: it is gone.
    [[nodiscard]] system_impl* system() const noexcept { return found_ ? &found_->whose_ : nullptr; }

   private:
    living_system* const found_;
  };

 private:
  struct all;
  static all& everybody() noexcept;
  static living_system* enter(std::uint32_t number) noexcept;
  void leave() noexcept;

  system_impl& whose_;
  std::uint32_t number_ = 0;  // constant
  // Guarded by the lock of all.
  living_system* next_ = nullptr;
  std::uint32_t visitors_ = 0;
  bool listed_ = true;
};

}  // namespace tandem::actors::detail
