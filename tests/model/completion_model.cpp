// A one-shot result: who waits is woken once, sees the result, and is left alone afterwards; the last share frees it.
#include <tandem/runtime/detail/completion.hpp>

#include <memory>

#include "parker.hpp"
#include "world.hpp"

namespace tandem::model {
namespace {

using detail::completion_base;
using detail::completion_waiter;

struct one_shot : completion_base {
  explicit one_shot(int& ended) : ended_(&ended) {}
  ~one_shot() override { ++*ended_; }
  void complete() {
    result.set(1);
    publish();
  }
  plain result;

 private:
  [[nodiscard]] void* place() noexcept override { return &result; }
  int* ended_;
};

// A thread's wait, as block_until_ready() does it.
struct thread_waiter : completion_waiter {
  thread_waiter()
      : completion_waiter([](completion_waiter& self) noexcept {
          auto& w = static_cast<thread_waiter&>(self);
          w.alive.set(w.alive.get() + 1);
          w.sleeper.unpark();
        }) {}
  detail::parker sleeper;
  plain alive;  // written by the waker, and by the waiter once it is done
};

void wait_and_leave(world& w, bool gives_up) {
  auto ended = std::make_shared<int>(0);
  auto* const what = new one_shot(*ended);
  auto waiter = std::make_shared<thread_waiter>();
  w.thread("waits", [=] {
    if (what->add_waiter(*waiter) == detail::completion_base::registration::registered) {
      if (!gives_up)
        while (!what->is_ready()) waiter->sleeper.park(no_deadline);
      what->remove_waiter(*waiter);
    }
    waiter->alive.set(100);  // its frame is gone: a later touch is a race, and shows
    if (what->is_ready()) check(what->result.get() == 1, "ready without a result");
    what->release();
  });
  w.thread("completes", [=] {
    what->complete();
    what->release();
  });
  w.finally([=] {
    check(*ended == 1, "freed twice or not at all");
    check(waiter->alive.get() == 100, "the waiter was touched after it had left");
  });
}

const std::vector<model> models{
    {{.preemptions = -1}, [](world& w) { wait_and_leave(w, false); }},
    {{.preemptions = -1}, [](world& w) { wait_and_leave(w, true); }},
};

TEST(CompletionModel, AWaiterIsWokenSeesTheResultAndIsThenLeftAlone) { expect_holds(models[0].how, models[0].what); }
TEST(CompletionModel, AWaiterMayLeaveWhileTheResultComes) { expect_holds(models[1].how, models[1].what); }

TEST(CompletionMutants, ASpinLockInTwoStepsOrWithoutOrderIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::tear, step::exchange, "spin_lock.hpp", models), std::vector<std::string>());
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::exchange, "spin_lock.hpp", models), std::vector<std::string>());
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::store, "spin_lock.hpp", models), std::vector<std::string>());
}

TEST(CompletionMutants, ACountOfSharesInTwoStepsIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::tear, step::exchange, "completion_base.hpp", models), std::vector<std::string>());
}

}  // namespace
}  // namespace tandem::model
