// In this program because all modules are linked into it.
#include <gtest/gtest.h>
#include <tandem/errors/kind_registry.hpp>

namespace tandem {
namespace {

TEST(KindsOfTheLibrary, DoNotCollide) { EXPECT_EQ(kind_collisions(), std::vector<kind_collision>()); }

}  // namespace
}  // namespace tandem
