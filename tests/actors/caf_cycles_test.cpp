// Systems that come and go, thousands of times, while CAF's actors and tandem's are at work in them.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstddef>
#include <cstdio>

#include <tandem/actors/caf.hpp>

#include "actors.hpp"

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int cycles = 300;
constexpr bool memory_tells = false;  // sanitizers keep what was freed
#else
constexpr int cycles = 10'000;
constexpr bool memory_tells = true;
#endif
constexpr int cycles_to_warm_up = cycles / 10;
constexpr std::size_t allowed_growth = 8U << 20;

std::size_t resident_bytes() {
  long total = 0;
  long resident = 0;
  if (std::FILE* const f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%ld %ld", &total, &resident) != 2) resident = 0;
    std::fclose(f);
  }
  return static_cast<std::size_t>(resident) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

struct go {};

// Tells itself on and on, until it is told to end.
class restless {
 public:
  using protocol = actors::protocol<void(go)>;
  explicit restless(actor_context& c) : context_(c) {}
  task<result<void>> on(go) { co_return co_await context_.self<restless>().tell(go{}); }

 private:
  actor_context& context_;
};

caf::behavior restless_in_caf(caf::event_based_actor* self, const caf::actor& partner) {
  self->delayed_send(self, 3600s, 0);
  return {[self, partner](int n) {
    self->send(self, n + 1);
    if (partner) self->request(partner, 3600s, n).then([](int) {});
  }};
}

caf::behavior partner(caf::event_based_actor*) {
  return {[](int n) { return n; }};
}

void run_one(runtime& rt, int cycle) {
  system sys(rt);
  caf::actor_system& caf = caf_system(sys);
  const auto ours = sys.spawn<restless>();
  ASSERT_TRUE(ours.try_tell(go{}).has_value());
  const auto server = caf.spawn(partner);
  const auto busy = caf.spawn(restless_in_caf, server);
  const auto idle = caf.spawn(restless_in_caf, caf::actor());
  const auto detached = cycle % 50 == 0 ? caf.spawn<caf::detached>(partner) : caf::actor();
  const auto lazy = caf.spawn<caf::lazy_init>(partner);
  caf::anon_send(busy, 1);
  caf::delayed_anon_send(server, 3600s, 1);
  if (detached) {
    caf::scoped_actor self{caf};
    self->request(detached, caf::infinite, cycle)
        .receive([&](int n) { EXPECT_EQ(n, cycle); },
                 [](const caf::error&) { ADD_FAILURE() << "the detached actor failed"; });
  }
  for (const caf::actor& a : {server, busy, idle, detached, lazy})
    if (a) caf::anon_send_exit(a, cycle % 2 == 0 ? caf::exit_reason::user_shutdown : caf::exit_reason::kill);
}

TEST(CafCycles, TenThousandSystemsStartAndStopUnderLoad) {
  runtime rt(runtime_options{2, 4, 10s});
  std::size_t before = 0;
  for (int cycle = 0; cycle < cycles && !HasFailure(); ++cycle) {
    if (cycle == cycles_to_warm_up) before = resident_bytes();
    run_one(rt, cycle);
  }
  EXPECT_EQ(rt.live_tasks(), 0u);
  if (memory_tells) {
    EXPECT_LT(resident_bytes(), before + allowed_growth);
  }
}

TEST(CafCycles, RuntimesStartAndStopAroundThem) {
  for (int cycle = 0; cycle < cycles / 20; ++cycle) {
    runtime rt(runtime_options{2, 4, 10s});
    run_one(rt, cycle);
  }
}

}  // namespace
}  // namespace tandem::actors
