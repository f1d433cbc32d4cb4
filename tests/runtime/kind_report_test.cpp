#include <cstdlib>

#include <gtest/gtest.h>

#include <tandem/errors/kind.hpp>
#include <tandem/runtime/runtime.hpp>

namespace tandem {
namespace {

void make_two_runtimes_among_colliding_kinds() {
  const kind one("item.cup_late", errc::internal);
  const kind other("ship.cup_old", errc::internal);
  { const runtime first; }
  { const runtime second; }
  std::_Exit(0);
}

// Its own process, as others of this one may have made a runtime before.
TEST(KindReport, IsPrintedByTheFirstRuntimeOnly) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(make_two_runtimes_among_colliding_kinds(), testing::ExitedWithCode(0),
              "^tandem: the error kinds item\\.cup_late and ship\\.cup_old [^\n]*1B2E[^\n]*\n$");
}

}  // namespace
}  // namespace tandem
