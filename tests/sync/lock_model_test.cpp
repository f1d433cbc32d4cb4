// Locks and permits: who gets them, in which order, is what a queue says.
#include <deque>
#include <utility>

#include <tandem/sync/mutex.hpp>
#include <tandem/sync/semaphore.hpp>
#include <tandem/sync/shared_mutex.hpp>

#include "model.hpp"

namespace tandem::sync {
namespace {

class semaphore_run : model_subject<semaphore>, public model_run {
 public:
  explicit semaphore_run(std::uint32_t seed) : model_subject(limit), model_run(seed) {}

 private:
  static constexpr std::ptrdiff_t limit = 5;

  task<> perform(model_operation& o) override {
    o.number = draw(limit + 1);
    begin(o);
    result<semaphore::permits> got = fail(errc::aborted);
    if (o.limit == no_deadline)
      got = co_await real.acquire(o.number);
    else
      got = co_await real.acquire_until(o.limit, o.number);
    o.ended = fate_of(got);
    if (got) held_.push_back(std::move(*got));
  }
  bool attempt(model_operation& o) override {
    if (o.number > free_ || (o.number > 0 && !waiting_.empty())) return false;
    free_ -= o.number;
    return true;
  }
  void gave_up(model_operation&) override { grant(); }
  void grant() {
    while (!waiting_.empty() && waiting_.front()->number <= free_) {
      free_ -= waiting_.front()->number;
      waiting_.front()->expected = fate::done;
      waiting_.erase(waiting_.begin());
    }
  }
  void do_something_else() override {
    if (draw(3) == 0) {
      const std::ptrdiff_t n = draw(limit + 1);
      model_operation probe(context{});
      probe.number = n;
      auto got = real.try_acquire(n);
      ASSERT_EQ(got.has_value(), attempt(probe));
      if (got) held_.push_back(std::move(*got));
    } else if (!held_.empty()) {
      std::swap(held_[draw(static_cast<unsigned>(held_.size()))], held_.back());
      free_ += held_.back().count();
      held_.pop_back();
      grant();
    }
  }
  void expect_same() override { ASSERT_EQ(real.available(), free_); }

  std::ptrdiff_t free_ = limit;
  std::deque<semaphore::permits> held_;
};

TEST(SemaphoreModel, ServesFirstComeFirstServed) { compare_with_model<semaphore_run>(); }

class shared_mutex_run : model_subject<shared_mutex>, public model_run {
 public:
  explicit shared_mutex_run(std::uint32_t seed) : model_run(seed) {}

 private:
  enum : std::int64_t { reads, writes };

  task<> perform(model_operation& o) override {
    o.number = draw(3) == 0 ? writes : reads;
    begin(o);
    if (o.number == writes) {
      result<shared_mutex::guard> got = fail(errc::aborted);
      if (o.limit == no_deadline)
        got = co_await real.lock();
      else
        got = co_await real.lock_until(o.limit);
      o.ended = fate_of(got);
      if (got) writer_ = std::move(*got);
    } else {
      result<shared_mutex::shared_guard> got = fail(errc::aborted);
      if (o.limit == no_deadline)
        got = co_await real.lock_shared();
      else
        got = co_await real.lock_shared_until(o.limit);
      o.ended = fate_of(got);
      if (got) readers_.push_back(std::move(*got));
    }
  }
  bool take(std::int64_t how) {
    if (written_ || (how == writes && read_ > 0)) return false;
    if (how == writes)
      written_ = true;
    else
      ++read_;
    return true;
  }
  bool attempt(model_operation& o) override { return waiting_.empty() && take(o.number); }
  void gave_up(model_operation&) override { grant(); }
  void grant() {
    while (!waiting_.empty() && take(waiting_.front()->number)) {
      waiting_.front()->expected = fate::done;
      waiting_.erase(waiting_.begin());
    }
  }
  void do_something_else() override {
    model_operation probe(context{});
    switch (draw(4)) {
      case 0:
        probe.number = writes;
        if (auto got = real.try_lock(); got) {
          ASSERT_TRUE(attempt(probe));
          writer_ = std::move(*got);
        } else {
          ASSERT_FALSE(attempt(probe));
        }
        break;
      case 1:
        probe.number = reads;
        if (auto got = real.try_lock_shared(); got) {
          ASSERT_TRUE(attempt(probe));
          readers_.push_back(std::move(*got));
        } else {
          ASSERT_FALSE(attempt(probe));
        }
        break;
      default:  // only what its task has got by now
        if (writer_) {
          writer_.unlock();
          written_ = false;
        } else if (!readers_.empty()) {
          readers_.pop_back();
          --read_;
        }
        grant();
    }
  }
  void expect_same() override {
    ASSERT_EQ(writer_.holds(), written_);
    ASSERT_EQ(readers_.size(), read_);
  }

  bool written_ = false;
  std::size_t read_ = 0;
  shared_mutex::guard writer_;
  std::deque<shared_mutex::shared_guard> readers_;
};

TEST(SharedMutexModel, ServesFirstComeFirstServedAndReadersTogether) { compare_with_model<shared_mutex_run>(); }

// Newcomers do not meet a task that is called here: it looks before anything else happens. Then it is a plain queue;
// what it is otherwise is for mutex_test, and for the models of every interleaving.
class mutex_run : model_subject<mutex>, public model_run {
 public:
  explicit mutex_run(std::uint32_t seed) : model_run(seed) {}

 private:
  task<> perform(model_operation& o) override {
    begin(o);
    result<mutex::guard> got = fail(errc::aborted);
    if (o.limit == no_deadline)
      got = co_await real.lock();
    else
      got = co_await real.lock_until(o.limit);
    o.ended = fate_of(got);
    if (got) held_ = std::move(*got);
  }
  bool attempt(model_operation&) override { return waiting_.empty() && !std::exchange(locked_, true); }
  void gave_up(model_operation&) override {}
  void do_something_else() override {
    model_operation probe(context{});
    sim_.run_until_idle();
    if (draw(3) == 0) {
      auto got = real.try_lock();
      ASSERT_EQ(got.has_value(), attempt(probe));
      if (got) held_ = std::move(*got);
    } else if (held_) {
      held_.unlock();
      locked_ = !waiting_.empty();
      if (!locked_) return;
      waiting_.front()->expected = fate::done;
      waiting_.erase(waiting_.begin());
      sim_.run_until_idle();
    }
  }
  void expect_same() override {
    ASSERT_EQ(real.is_locked(), locked_);
    ASSERT_EQ(held_.holds(), locked_);
  }

  bool locked_ = false;
  mutex::guard held_;
};

TEST(MutexModel, ServesFirstComeFirstServedIfNobodyComesInBetween) { compare_with_model<mutex_run>(); }

}  // namespace
}  // namespace tandem::sync
