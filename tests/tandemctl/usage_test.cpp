#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tandemctl/tool_run.hpp"

namespace tandem {
namespace {

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

TEST(Tandemctl, PrintsHelpThatNamesItsCommands) {
  const tool_result help = run_tandemctl({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_TRUE(contains(help.out, "code")) << help.out;
  EXPECT_EQ(help.err, "");
}

TEST(Tandemctl, PrintsHelpForACommand) {
  const tool_result help = run_tandemctl({"code", "--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* part : {"TEXT", "--normalise", "stdin", "newline"}) {
    EXPECT_TRUE(contains(help.out, part)) << help.out;
  }
}

TEST(Tandemctl, PrintsItsVersion) {
  const tool_result version = run_tandemctl({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out, "tandemctl " TANDEM_VERSION "\n");
}

TEST(Tandemctl, SuggestsTheCommandThatWasMeant) {
  for (const char* typed : {"cdoe", "cod", "codes", "kode"}) {
    const tool_result result = run_tandemctl({typed, "text"});
    EXPECT_EQ(result.status, 2) << typed;
    EXPECT_EQ(result.out, "") << typed;
    EXPECT_TRUE(contains(result.err, "did you mean 'code'?")) << result.err;
  }
}

TEST(Tandemctl, ListsTheCommandsIfNoneIsLikeWhatWasTyped) {
  const tool_result result = run_tandemctl({"frobnicate"});
  EXPECT_EQ(result.status, 2);
  EXPECT_TRUE(contains(result.err, "the commands are: code")) << result.err;
}

TEST(Tandemctl, RefusesToBeCalledWithoutACommand) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{{}, {"--wrong"}, {""}, {"-"}}) {
    const tool_result result = run_tandemctl(arguments);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err.starts_with("tandemctl: ")) << result.err;
  }
}

}  // namespace
}  // namespace tandem
