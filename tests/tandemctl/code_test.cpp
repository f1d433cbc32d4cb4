#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "tandemctl/tool_run.hpp"

namespace tandem {
namespace {

constexpr const char* documented = "Access denied for user 'db_user'@'127.0.0.1'";

struct printing {
  std::string out;
  friend bool operator==(const tool_result& r, const printing& p) {
    return r.status == 0 && r.out == p.out && r.err.empty();
  }
};

TEST(TandemctlCode, PrintsTheCodeOfAText) { EXPECT_EQ(run_tandemctl({"code", documented}), printing{"30EV\n"}); }

TEST(TandemctlCode, TakesTheTextAsItIs) {
  EXPECT_EQ(run_tandemctl({"code", ""}), printing{"J17D\n"});
  EXPECT_EQ(run_tandemctl({"code", "[a,b]"}), printing{"1JH7\n"});
  EXPECT_EQ(run_tandemctl({"code", "code"}), printing{"4S5W\n"});
  EXPECT_EQ(run_tandemctl({"code", "--", "-x"}), printing{"GZN2\n"});
}

TEST(TandemctlCode, OfADashReadsStdinWithoutItsLastNewline) {
  EXPECT_EQ(run_tandemctl({"code", "-"}, documented), printing{"30EV\n"});
  EXPECT_EQ(run_tandemctl({"code", "-"}, documented + std::string("\n")), printing{"30EV\n"});
  EXPECT_EQ(run_tandemctl({"code", "-"}, std::string_view("a\0b\n\n", 5)), printing{"38XS\n"});
  EXPECT_EQ(run_tandemctl({"code", "-"}, ""), printing{"J17D\n"});
}

TEST(TandemctlCode, NormalisesWhatPeopleType) {
  for (const char* typed : {"30ev", "3oEV", "3OEV", "30EV"}) {
    EXPECT_EQ(run_tandemctl({"code", "--normalise", typed}), printing{"30EV\n"}) << typed;
  }
  EXPECT_EQ(run_tandemctl({"code", "--normalise", "l0lo"}), printing{"1010\n"});
  EXPECT_EQ(run_tandemctl({"code", "--normalize", "3oev"}), printing{"30EV\n"});
}

TEST(TandemctlCode, RefusesWithAdviceWhatCannotBeACode) {
  for (const char* typed : {"", "30E", "30EVX", "30 V", "30-V", "MH34", "zzzz", "30\xC3\x89"}) {
    const tool_result result = run_tandemctl({"code", "--normalise", typed});
    EXPECT_EQ(result.status, 2) << typed;
    EXPECT_EQ(result.out, "") << typed;
    EXPECT_TRUE(result.err.starts_with("tandemctl: ") && result.err.ends_with('\n')) << result.err;
    EXPECT_NE(result.err.find("code"), std::string::npos) << result.err;
  }
}

TEST(TandemctlCode, RefusesToDoNothingOrTwoThings) {
  const std::vector<std::vector<std::string>> cases{
      {"code"}, {"code", "a", "b"}, {"code", "a", "--normalise", "30ev"}, {"code", "--normalise"}, {"code", "--wrong"}};
  for (const auto& arguments : cases) {
    const tool_result result = run_tandemctl(arguments);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find("--help"), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace tandem
