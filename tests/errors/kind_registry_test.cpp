#include <tandem/errors/kind_registry.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/errors/short_code.hpp>

namespace tandem {
namespace {

// Two keys with one code, found by trying.
constexpr const char* one_key = "item.cup_late";
constexpr const char* other_key = "ship.cup_old";
constexpr const char* their_code = "1B2E";

const kind_collision planted{their_code, one_key, other_key};

std::string report() {
  testing::internal::CaptureStderr();
  report_kind_collisions();
  return testing::internal::GetCapturedStderr();
}

TEST(KindRegistry, FindsTwoKindsWithOneCode) {
  const kind other(other_key, errc::internal);
  const kind one(one_key, errc::internal);
  EXPECT_EQ(kind_collisions(), std::vector{planted});
}

TEST(KindRegistry, ReportsBothNamesAndTheCodeOnOneLine) {
  const kind one(one_key, errc::internal);
  const kind other(other_key, errc::internal);
  const std::string line = report();
  for (const char* part : {one_key, other_key, their_code, "rename"}) {
    EXPECT_NE(line.find(part), std::string::npos) << line;
  }
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(KindRegistry, TakesOneKeyDeclaredTwiceForOneKind) {
  const kind one(one_key, errc::internal);
  const kind again(one_key, errc::not_found);
  EXPECT_EQ(kind_collisions(), std::vector<kind_collision>());
}

TEST(KindRegistry, ForgetsAKindThatIsGone) {
  const kind one(one_key, errc::internal);
  {
    const kind other(other_key, errc::internal);
    ASSERT_EQ(kind_collisions(), std::vector{planted});
  }
  EXPECT_EQ(kind_collisions(), std::vector<kind_collision>());
}

std::uint32_t same_for_ours(std::string_view key) { return key.starts_with("registry_test.") ? 0 : 1; }

TEST(KindRegistry, PairsEveryKindOfACodeWithTheFirst) {
  const kind c("registry_test.c", errc::internal);
  const kind a("registry_test.a", errc::internal);
  const kind b("registry_test.b", errc::internal);
  set_code_hash(same_for_ours);
  auto found = kind_collisions();
  set_code_hash(nullptr);
  std::erase_if(found, [](const kind_collision& other) { return other.code != "0000"; });
  const std::vector<kind_collision> expected{{"0000", "registry_test.a", "registry_test.b"},
                                             {"0000", "registry_test.a", "registry_test.c"}};
  EXPECT_EQ(found, expected);
}

TEST(KindRegistry, MayBeReadWhileKindsComeAndGo) {
  const kind one(one_key, errc::internal);
  const kind other(other_key, errc::internal);
  std::atomic<int> running{3};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&running] {
      for (int i = 0; i < 2000; ++i) {
        const kind first("registry_test.first", errc::internal);
        const kind second("registry_test.second", errc::internal);
      }
      --running;
    });
  }
  do EXPECT_EQ(kind_collisions(), std::vector{planted});
  while (running > 0);
  for (std::thread& t : threads) t.join();
}

}  // namespace
}  // namespace tandem
