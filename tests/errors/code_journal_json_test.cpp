#include <tandem/errors/code_journal.hpp>

#include <chrono>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <tandem/errors/layer.hpp>
#include <tandem/errors/short_code.hpp>

namespace tandem {
namespace {

layer_data saying(std::string message) {
  layer_data data;
  data.message = std::move(message);
  return data;
}

error numbered(int number) { return make_error(errc::internal, fmt::format("error {}", number)); }

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(CodeJournalJson, OfAnEmptyJournalIsAnEmptyList) {
  EXPECT_EQ(code_journal().dump_json(), "{\"evicted\":0,\"codes\":[\n]}\n");
}

TEST(CodeJournalJson, ShowsAllThatIsKnown) {
  std::chrono::system_clock::time_point now(std::chrono::milliseconds(1'714'564'800'007));
  journal_options options;
  options.now = [&now] { return now; };
  code_journal journal(options);
  layer_data root = saying("no user 8");
  root.code = errc::not_found;
  root.kind_key = "shop.no_such_user";
  root.file = "users.cpp";
  root.function = "find_user";
  root.line = 12;
  root.node = "shop-1";
  root.fields = {{"id", "8"}, {"token", "t0p", true}};
  root.frames = {"find_user at users.cpp:12", "main"};
  const error e = add_layer(add_layer(error(), std::move(root)), saying("cannot ship"));
  journal.record(e);
  now += std::chrono::hours(24);
  journal.record(e);
  const std::string expected =
      "{\"evicted\":0,\"codes\":[\n"
      R"({"code":"9F96","count":2,"first_seen":"2024-05-01T12:00:00.007Z","last_seen":"2024-05-02T12:00:00.007Z",)"
      R"("message":"cannot ship: no user 8","errc":"not_found","kind":"shop.no_such_user","layers":[)"
      R"({"message":"cannot ship"},)"
      R"({"message":"no user 8","errc":"not_found","kind":"shop.no_such_user","file":"users.cpp","line":12,)"
      R"("function":"find_user","node":"shop-1","fields":[{"key":"id","value":"8"},)"
      R"j({"key":"token","value":"(sensitive)"}],"stack":["find_user at users.cpp:12","main"]}]})j"
      "\n]}\n";
  EXPECT_EQ(journal.dump_json(), expected);
}

TEST(CodeJournalJson, ShowsCausesAsATree) {
  code_journal journal;
  std::vector<error> causes;
  causes.push_back(add_layer(error(), saying("one")));
  causes.push_back(add_layer(add_layer(error(), saying("two")), saying("at two")));
  layer_data both = saying("both");
  both.left_out = 3;
  journal.record(add_layer(std::move(causes), std::move(both)));
  const std::string_view expected =
      R"("layers":[{"message":"both","causes":[[{"message":"one","errc":"unknown"}],)"
      R"([{"message":"at two"},{"message":"two","errc":"unknown"}]],"causes_left_out":3}])";
  EXPECT_TRUE(contains(journal.dump_json(), expected)) << journal.dump_json();
}

TEST(CodeJournalJson, EndsBelowDeeplyNestedJoins) {
  journal_options options;
  options.max_entry_bytes = 10 << 20;
  code_journal journal(options);
  error e = numbered(0);
  for (int i = 1; i < 900; ++i) e = wrap(join(numbered(i), std::move(e)), "and");
  journal.record(e);
  ASSERT_FALSE(journal.snapshot().at(0).shortened);
  EXPECT_TRUE(contains(journal.dump_json(), R"("causes_left_out":2)"));
}

TEST(CodeJournalJson, ReplacesWhatIsNotUtf8AndEscapesTheRest) {
  code_journal journal;
  journal.record(add_layer(error(), saying(std::string("a\xff" "b\"\n\0", 6))));
  EXPECT_TRUE(contains(journal.dump_json(), "\"message\":\"a\uFFFDb\\\"\\n\\u0000\"")) << journal.dump_json();
}

TEST(CodeJournalJson, ShowsEntriesInTheOrderOfTheSnapshot) {
  code_journal journal({.capacity = 2, .now = {}});
  for (int i = 0; i < 3; ++i) journal.record(numbered(i));
  std::ostringstream out;
  journal.dump_json(out);
  EXPECT_TRUE(out.str().starts_with("{\"evicted\":1,\"codes\":[\n{\"code\":\"" + short_code("error 2")));
  EXPECT_LT(out.str().find("error 2"), out.str().find("error 1"));
}

}  // namespace
}  // namespace tandem
