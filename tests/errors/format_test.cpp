#include <tandem/errors/format.hpp>

#include <sstream>

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/short_code.hpp>

namespace tandem {
namespace {

// A chain whose sites and stacks do not depend on this file.
error known_chain() {
  layer_data root;
  root.message = "no such file";
  root.code = errc::not_found;
  root.file = "src/open.cpp";
  root.function = "open_file";
  root.line = 30;
  root.node = "storage-1";
  root.frames = {"open_file at src/open.cpp:30", "awaited by load at src/load.cpp:12"};
  layer_data outer;
  outer.message = "cannot read";
  outer.file = "src/load.cpp";
  outer.function = "load";
  outer.line = 12;
  outer.fields = {{"path", "a.txt"}};
  return add_layer(add_layer(error(), std::move(root)), std::move(outer));
}

TEST(ErrorFormat, PrintsTheChainOnOneLineWithItsCodes) {
  const std::string code = short_code("cannot read: no such file");
  EXPECT_EQ(fmt::format("{}", known_chain()), "cannot read: no such file [not_found " + code + "]");
  EXPECT_EQ(fmt::format("{}", error_of(errc::closed)), "closed [closed " + short_code("closed") + "]");
}

TEST(ErrorFormat, PrintsEveryLayerInTheLongForm) {
  EXPECT_EQ(fmt::format("{:+}", known_chain()),
            "cannot read: no such file [not_found " + short_code(known_chain()) + "]\n"
            "  cannot read\n"
            "    at load (src/load.cpp:12)\n"
            "    path=a.txt\n"
            "  no such file [not_found]\n"
            "    at open_file (src/open.cpp:30)\n"
            "    on storage-1\n"
            "    stack:\n"
            "      0 open_file at src/open.cpp:30\n"
            "      1 awaited by load at src/load.cpp:12");
}

TEST(ErrorFormat, PrintsTheStackOfALocalErrorInTheLongForm) {
  const std::string text = fmt::format("{:+}", make_error(errc::internal, "bug"));
  EXPECT_NE(text.find("format_test.cpp"), std::string::npos) << text;
  EXPECT_NE(text.find("\n    stack:\n      0 "), std::string::npos) << text;
}

error foreign_root(const char* message, std::vector<std::string> frames) {
  layer_data root;
  root.message = message;
  root.code = errc::internal;
  root.frames = std::move(frames);
  return add_layer(error(), std::move(root));
}

// Below a line that starts with the messages and the codes, which other tests pin.
std::string without_first_line(const std::string& text) { return text.substr(text.find('\n') + 1); }

error joined(std::vector<error> causes, std::size_t left_out = 0) {
  layer_data join;
  join.left_out = left_out;
  return add_layer(std::move(causes), std::move(join));
}

TEST(ErrorFormat, PrintsCausesAsATree) {
  const error inner = joined({foreign_root("b", {}), foreign_root("c", {})}, 3);
  layer_data outer;
  outer.message = "cannot stop";
  const error e = add_layer(joined({foreign_root("a", {}), inner, known_chain()}), outer);
  EXPECT_EQ(without_first_line(fmt::format("{:+}", e)),
            "  cannot stop\n"
            "  3 causes\n"
            "  ├─ a [internal]\n"
            "  ├─ 5 causes\n"
            "  │  ├─ b [internal]\n"
            "  │  ├─ c [internal]\n"
            "  │  └─ and 3 more\n"
            "  └─ cannot read\n"
            "       at load (src/load.cpp:12)\n"
            "       path=a.txt\n"
            "     no such file [not_found]\n"
            "       at open_file (src/open.cpp:30)\n"
            "       on storage-1\n"
            "       stack:\n"
            "         0 open_file at src/open.cpp:30\n"
            "         1 awaited by load at src/load.cpp:12");
}

TEST(ErrorFormat, DoesNotRepeatFramesThatTheStackBeforeEndsWithToo) {
  const error e = joined({foreign_root("a", {"read", "serve", "main"}), foreign_root("b", {"write", "serve", "main"}),
                          foreign_root("c", {"write", "serve", "main"}), foreign_root("d", {"alone"})});
  EXPECT_EQ(without_first_line(fmt::format("{:+}", e)),
            "  4 causes\n"
            "  ├─ a [internal]\n"
            "  │    stack:\n"
            "  │      0 read\n"
            "  │      1 serve\n"
            "  │      2 main\n"
            "  ├─ b [internal]\n"
            "  │    stack:\n"
            "  │      0 write\n"
            "  │      … 2 frames as above\n"
            "  ├─ c [internal]\n"
            "  │    stack:\n"
            "  │      … 3 frames as above\n"
            "  └─ d [internal]\n"
            "       stack:\n"
            "         0 alone");
}

TEST(ErrorFormat, IndentsDeepJoinsOnlySoFar) {
  error e = foreign_root("root", {});
  for (int i = 0; i < 500; ++i) e = joined({foreign_root("x", {}), std::move(e)});
  const std::string text = fmt::format("{:+}", e);
  EXPECT_LT(text.size(), 2000u * 100);
  EXPECT_NE(text.find("root [internal]"), std::string::npos);
}

TEST(ErrorFormat, LeavesOutTheCodeWhereLibcryptoRefusesMd5) {
  ASSERT_EQ(EVP_set_default_properties(nullptr, "fips=yes"), 1);
  std::string text;
  EXPECT_NO_THROW(text = fmt::format("{}", known_chain()));
  EXPECT_THROW((void)short_code("a"), error_exception);  // it does refuse
  ASSERT_EQ(EVP_set_default_properties(nullptr, ""), 1);
  EXPECT_EQ(text, "cannot read: no such file [not_found]");
}

TEST(ErrorFormat, NamesNoError) {
  EXPECT_EQ(fmt::format("{}", error()), "no error");
  EXPECT_EQ(fmt::format("{:+}", error()), "no error");
}

TEST(ErrorFormat, RejectsOtherSpecifications) {
  EXPECT_THROW((void)fmt::format(fmt::runtime("{:x}"), error()), fmt::format_error);
}

TEST(ErrorFormat, StreamsTheShortForm) {
  std::ostringstream out;
  out << known_chain();
  EXPECT_EQ(out.str(), fmt::format("{}", known_chain()));
}

TEST(ErrcFormat, PrintsTheNameLikeAString) {
  EXPECT_EQ(fmt::format("{:>8}|{}", errc::closed, errc::aborted), "  closed|aborted");
}

}  // namespace
}  // namespace tandem
