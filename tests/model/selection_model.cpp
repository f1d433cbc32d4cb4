// One suspended task and those who may wake it: one of them wins, and the task runs again exactly if it had parked.
#include <tandem/runtime/detail/selection.hpp>

#include <array>
#include <memory>

#include "world.hpp"

namespace tandem::model {
namespace {

using detail::selection;

struct state {
  selection word;
  std::array<plain, 3> left;  // by the claimer, for the owner
  int won = 0;
  int woken = 0;
};

// The owner registers, then parks; each claimer wants to win for its own arm.
void claims(world& w, int claimers, bool owner_decides) {
  auto s = std::make_shared<state>();
  s->word.bind(some_task());
  on_make_ready = [s = s.get()](detail::task_record&) { ++s->woken; };
  auto parked = std::make_shared<bool>(false);
  w.thread("owner", [=] {
    if (owner_decides && s->word.decide(2)) {
      ++s->won;
      return;
    }
    if (s->word.park()) {
      *parked = true;
      return;
    }
    const int arm = s->word.decided();
    check(arm >= 0, "neither parked nor decided");
    check(arm == 2 || s->left[static_cast<std::size_t>(arm)].get() == 1, "decided without what the winner left");
  });
  for (int i = 0; i < claimers; ++i)
    w.thread("claimer", [=] {
      s->left[static_cast<std::size_t>(i)].set(1);
      if (s->word.claim_and_wake(static_cast<std::uint32_t>(i))) ++s->won;
    });
  w.finally([=] {
    check(s->won == 1, "not exactly one party won");
    check(s->woken == (*parked ? 1 : 0), "woken without having parked, or parked and not woken");
  });
}

struct facing {
  std::array<selection, 2> words;  // in order of address
  std::array<int, 2> arm{-1, -1};  // what each owner found decided
  std::array<int, 2> woken{};
  std::array<bool, 2> parked{};
  int claimed = 0;
};

// Two selects meet, each about to claim the other (arm 0 of both); others claim arm 1 of one of them.
void facing_selects(world& w, int third_parties) {
  auto s = std::make_shared<facing>();
  for (selection& each : s->words) each.bind(some_task());
  on_make_ready = [](detail::task_record&) {};
  for (std::size_t me = 0; me < 2; ++me)
    w.thread(me == 0 ? "lower" : "higher", [=] {
      selection& own = s->words[me];
      auto peer = selection::claimed::lost;
      switch (own.decide_with(0, s->words[1 - me], 0, peer)) {
        case selection::paired::both:
          s->arm[me] = 0;
          if (peer == selection::claimed::parked) ++s->woken[1 - me];
          return;
        case selection::paired::peer_gone:
        case selection::paired::self_decided:
          break;
      }
      s->parked[me] = own.park();
    });
  for (int i = 0; i < third_parties; ++i)
    w.thread("third party", [=] {
      const auto state = s->words[0].claim(1);
      if (state == selection::claimed::lost) return;
      ++s->claimed;
      if (state == selection::claimed::parked) ++s->woken[0];
    });
  w.finally([=] {
    const int low = s->words[0].decided(), high = s->words[1].decided();
    check((low == 0) == (high == 0), "one select took the other without being taken");
    check(low == 0 || s->claimed == 1, "a select that nobody decided");
    check(s->claimed + (low == 0) == 1, "decided twice");
    for (std::size_t i = 0; i < 2; ++i)
      if (s->words[i].decided() >= 0)
        check(s->woken[i] == (s->parked[i] ? 1 : 0), "parked and not woken, or the reverse");
  });
}

const std::vector<model> models{
    {{.preemptions = -1}, [](world& w) { claims(w, 1, false); }},
    {{.preemptions = -1}, [](world& w) { claims(w, 2, false); }},
    {{.preemptions = -1}, [](world& w) { claims(w, 2, true); }},
    {{.preemptions = -1}, [](world& w) { facing_selects(w, 0); }},
    {{.preemptions = 2}, [](world& w) { facing_selects(w, 1); }},
};

TEST(SelectionModel, AClaimerAndTheOwnerAgree) { expect_holds(models[0].how, models[0].what); }
TEST(SelectionModel, OneOfTwoClaimersWins) { expect_holds(models[1].how, models[1].what); }
TEST(SelectionModel, OneOfTwoClaimersAndTheOwnerWins) { expect_holds(models[2].how, models[2].what); }
TEST(SelectionModel, TwoSelectsThatClaimEachOtherBothEnd) { expect_holds(models[3].how, models[3].what); }
TEST(SelectionModel, TwoSelectsAndAThirdPartyAgree) { expect_holds(models[4].how, models[4].what); }

TEST(SelectionMutants, DecisionsInTwoStepsAreNoticed) {
  for (const char* const file : {"selection.hpp", "selection.cpp"})
    EXPECT_EQ(unnoticed(mutation::kind::tear, step::exchange, file, models), std::vector<std::string>());
}

TEST(SelectionMutants, AClaimThatPublishesNothingIsNoticed) {
  EXPECT_EQ(unnoticed(mutation::kind::relax, step::exchange, "selection.hpp", {models[0]},
                      [](const site&) { return true; }).size(), 1U);  // park() hands nothing on in this scenario
}

}  // namespace
}  // namespace tandem::model
