// What tasks wait for to happen: gates, barrier, condition. Who goes on, and when, is what a counter and a queue say.
#include <utility>
#include <vector>

#include <tandem/runtime/with_context.hpp>
#include <tandem/sync/barrier.hpp>
#include <tandem/sync/condition.hpp>
#include <tandem/sync/event.hpp>
#include <tandem/sync/latch.hpp>
#include <tandem/sync/wait_group.hpp>

#include "model.hpp"

namespace tandem::sync {
namespace {

/// `Gate` is what changes it, and tells what the model then says.
template <class Gate>
class gate_run : model_subject<Gate>, public model_run {
 public:
  explicit gate_run(std::uint32_t seed) : model_run(seed), open_(this->real.try_wait()) {}

 private:
  task<> perform(model_operation& o) override {
    begin(o);
    result<void> passed;
    if (o.limit == no_deadline)
      passed = co_await this->real.wait();
    else
      passed = co_await this->real.wait_until(o.limit);
    o.ended = fate_of(passed);
  }
  bool attempt(model_operation&) override { return open_; }
  void gave_up(model_operation&) override {}
  void do_something_else() override {
    open_ = this->real.change(random_);
    if (!open_) return;
    for (model_operation* const o : std::exchange(waiting_, {})) o->expected = fate::done;
  }
  void expect_same() override { ASSERT_EQ(this->real.try_wait(), open_); }

  bool open_;
};

struct some_event : event {
  bool change(std::mt19937& random) {
    const bool opens = random() % 3 == 0, was_open = is_set();
    EXPECT_EQ(opens ? set() : reset(), opens != was_open);
    return opens;
  }
};
struct some_latch : latch {
  some_latch() : latch(300) {}
  bool change(std::mt19937& random) {
    const std::ptrdiff_t n = random() % 3;
    if (n <= left) {
      count_down(n);
      left -= n;
    } else {
      EXPECT_THROW(count_down(n), std::logic_error);
    }
    EXPECT_EQ(count(), left);
    return left == 0;
  }
  std::ptrdiff_t left = 300;
};
struct some_wait_group : wait_group {
  bool change(std::mt19937& random) {
    const std::ptrdiff_t n = static_cast<std::ptrdiff_t>(random() % 5) - 2;
    if (under_way + n >= 0) {
      add(n);
      under_way += n;
    } else {
      EXPECT_THROW(add(n), std::logic_error);
    }
    EXPECT_EQ(count(), under_way);
    return under_way == 0;
  }
  std::ptrdiff_t under_way = 0;
};

TEST(EventModel, IsSetOrNot) { compare_with_model<gate_run<some_event>>(); }
TEST(LatchModel, CountsDown) { compare_with_model<gate_run<some_latch>>(); }
TEST(WaitGroupModel, CountsWhatIsUnderWay) { compare_with_model<gate_run<some_wait_group>>(); }

class barrier_run : model_subject<barrier>, public model_run {
 public:
  explicit barrier_run(std::uint32_t seed) : model_subject(parties), model_run(seed) {}

 private:
  static constexpr std::ptrdiff_t parties = 9;

  task<> perform(model_operation& o) override {
    begin(o);
    const bool leads = o.expected == fate::done;
    result<bool> met = fail(errc::aborted);
    if (o.limit == no_deadline)
      met = co_await real.arrive_and_wait();
    else
      met = co_await real.arrive_and_wait_until(o.limit);
    o.ended = fate_of(met);
    if (met) {
      EXPECT_EQ(*met, leads);
    }
  }
  bool attempt(model_operation&) override { return complete(1); }
  bool complete(std::ptrdiff_t arriving) {
    if (std::ssize(waiting_) + arriving < parties_) return false;
    for (model_operation* const o : std::exchange(waiting_, {})) o->expected = fate::done;
    return true;
  }
  void gave_up(model_operation&) override {}
  void do_something_else() override {
    if (draw(4) != 0) {
      ASSERT_EQ(real.try_arrive().has_value(), complete(1));
    } else if (parties_ > 2 && draw(50) == 0) {
      real.drop_out();
      --parties_;
      if (!waiting_.empty()) complete(0);
    }
  }
  void expect_same() override { ASSERT_EQ(real.parties(), parties_); }

  std::ptrdiff_t parties_ = parties;
};

TEST(BarrierModel, LetsAllPartiesGoOnTogether) { compare_with_model<barrier_run>(); }

struct guarded {
  mutex lock;
  condition changed;
};

class condition_run : model_subject<guarded>, public model_run {
 public:
  explicit condition_run(std::uint32_t seed) : model_run(seed) {}

 private:
  task<> perform(model_operation& o) override {
    // Free, or about to be: nobody holds it over anything but this wait.
    auto held = co_await without_cancel(lock());
    begin(o);
    result<void> notified;
    if (o.limit == no_deadline)
      notified = co_await real.changed.wait(held);
    else
      notified = co_await real.changed.wait_until(held, o.limit);
    EXPECT_TRUE(held.holds());
    EXPECT_EQ(++inside_, 1);
    o.ended = fate_of(notified);
    --inside_;
  }
  task<mutex::guard> lock() {
    auto held = co_await real.lock.lock();
    co_return std::move(*held);
  }
  bool attempt(model_operation&) override { return false; }
  void gave_up(model_operation&) override {}
  void do_something_else() override {
    switch (draw(6)) {
      case 0:
        real.changed.notify_all();
        for (model_operation* const o : std::exchange(waiting_, {})) o->expected = fate::done;
        break;
      case 1:
      case 2:
        ASSERT_EQ(real.changed.notify_one(), !waiting_.empty());
        if (waiting_.empty()) return;
        waiting_.front()->expected = fate::done;
        waiting_.erase(waiting_.begin());
        break;
      default: break;
    }
  }
  void expect_same() override { ASSERT_FALSE(real.lock.is_locked()); }

  int inside_ = 0;
};

TEST(ConditionModel, NotifiesInTheOrderTheyCame) { compare_with_model<condition_run>(); }

}  // namespace
}  // namespace tandem::sync
