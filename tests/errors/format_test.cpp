#include <tandem/errors/format.hpp>

#include <sstream>

#include <gtest/gtest.h>
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
