// What the models share: the rest of the runtime as the code under test sees it, expectations, and a hunt for mistakes.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/runtime/detail/job.hpp>

#include "explorer.hpp"

namespace tandem::detail {
class task_record;
}

namespace tandem::model {

using scenario = std::function<void(world&)>;

/// Called by the code under test to make a task runnable; set by a scenario, for one execution.
inline std::function<void(detail::task_record&)> on_make_ready;

/// A task nobody looks into.
[[nodiscard]] detail::task_record& some_task();

/// Items that carry data: what was written before an item is handed on must be visible to who gets it, once.
class items {
 public:
  explicit items(std::size_t n) : data_(n), taken_(n, 0) {}
  /// Makes item i, i from 0.
  detail::queue_item make(std::size_t i) {
    data_[i].set(100 + i);
    return (i << 1) + 2;
  }
  void take(detail::queue_item item) {
    const std::size_t i = (item >> 1) - 1;
    check(i < data_.size(), "an item that nobody made");
    check(data_[i].get() == 100 + i, "an item without its data");
    check(++taken_[i] == 1, "an item was taken twice");
    ++count_;
  }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  void check_all() const { check(count_ == data_.size(), "an item was lost"); }

 private:
  std::vector<plain> data_;
  std::vector<int> taken_;
  std::size_t count_ = 0;
};

/// Explores, expects no failure, prints the trace of one, and tells on standard output how much was tried.
/// TANDEM_MODEL_PREEMPTIONS=n in the environment adds n to a bound on preemptions: for a long look by hand.
void expect_holds(options how, const scenario& what);

/// A scenario and the bounds within which it is explored.
struct model {
  options how;
  scenario what;
};

/// Puts the mistake into each site of `file` (and of kind `what`) that the models visit, one at a time, and gives the
/// sites at which no model noticed.
[[nodiscard]] std::vector<std::string> unnoticed(mutation::kind mistake, step what, const std::string& file,
                                                 const std::vector<model>& models,
                                                 const std::function<bool(const site&)>& only = {});

}  // namespace tandem::model
