// What no caller should pass and some will: each has a defined result.
#include <algorithm>

#include <gtest/gtest.h>
#include <tandem/errors/format.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/result.hpp>
#include <tandem/errors/short_code.hpp>

namespace tandem {
namespace {

using namespace std::string_literals;

TEST(HostileInput, ANullMessageReadsNull) {
  const char* const null = nullptr;
  EXPECT_EQ(make_error(errc::internal, null).message(), "(null)");
  EXPECT_EQ(wrap(error_of(errc::closed), null).message(), "(null): closed");
  EXPECT_EQ(with_message(error_of(errc::closed), nullptr).message(), "(null): closed");
  const error e = with(make_error(errc::internal, "x"), null, null);
  EXPECT_EQ(e.first_layer().fields()[0].key, "(null)");
  EXPECT_EQ(e.first_layer().fields()[0].value, "(null)");
  EXPECT_EQ(result<int>(fail(errc::internal, null)).error().message(), "(null)");
}

TEST(HostileInput, EmbeddedNullsAreKept) {
  const error e = make_error(errc::internal, "a\0b"s);
  EXPECT_EQ(e.message(), "a\0b"s);
  EXPECT_NE(short_code(e), short_code("a"));
  EXPECT_TRUE(fmt::format("{}", e).starts_with("a\\x00b ["));
}

TEST(HostileInput, NoMessageBeginsALineOfItsOwnOrSpeaksToTheTerminal) {
  const error e = with(make_error(errc::internal, "a\n  forged: line\x1b[31m\x7f\xc2\x9b"), "k\n", "v\r");
  const std::string line = fmt::format("{}", e);
  EXPECT_TRUE(line.starts_with("a\\n  forged: line\\x1b[31m\\x7f\\xc2\\x9b [")) << line;
  EXPECT_NE(fmt::format("{:+}", e).find("\n    k\\n=v\\r"), std::string::npos);
}

TEST(HostileInput, NoMessageTurnsTheDirectionOfTheText) {
  EXPECT_TRUE(fmt::format("{}", make_error(errc::internal, "a\u202eb\u2066c\u2069 \u20ac")).starts_with(
      "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6c\\xe2\\x81\\xa9 \u20ac ["));
}

TEST(HostileInput, InvalidUtf8IsEscapedAndTheRestLeftAlone) {
  // A stray continuation byte, an overlong slash, a surrogate, what is above U+10FFFF, a character cut short.
  const error e = make_error(errc::internal, "ü€😀 \x80 \xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82");
  EXPECT_TRUE(fmt::format("{}", e).starts_with(
      "ü€😀 \\x80 \\xc0\\xaf \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80 \\xe2\\x82 ["))
      << fmt::format("{}", e);
}

TEST(HostileInput, AMessageOfTenMegabytesIsMovedNotCopied) {
  std::string large(10'000'000, 'x');
  const char* const bytes = large.data();
  const error e = wrap(make_error(errc::internal, std::move(large)), "outer");
  EXPECT_EQ(cause(e).first_layer().message().data(), bytes);
  EXPECT_EQ(e.message().size(), 10'000'007u);
  EXPECT_EQ(short_code(e).size(), 4u);
  EXPECT_GT(fmt::format("{:+}", e).size(), 20'000'000u);
}

TEST(HostileInput, AChainTenThousandDeepWorksThroughout) {
  error e = make_error(errc::not_found, "root");
  for (int i = 0; i < 10'000; ++i) e = with(wrap(std::move(e), "layer"), "i", "x");
  EXPECT_EQ(e.message().size(), 10'000u * 7 + 4);
  EXPECT_TRUE(e.is(errc::not_found));
  EXPECT_EQ(cause(e).message(), "root");
  const std::string text = fmt::format("{:+}", e);
  EXPECT_GE(std::count(text.begin(), text.end(), '\n'), 30'000);
  e = error();
}

TEST(HostileInput, ACodeOutsideTheSetIsUnknownByName) {
  const error e = make_error(static_cast<errc>(200), "from a newer release");
  EXPECT_EQ(to_string(e.code()), "unknown");
  EXPECT_FALSE(e.is(errc::internal));
}

TEST(SensitiveField, IsOnlyGivenOutByTheLayer) {
  const error e = with_sensitive(make_error(errc::unauthenticated, "login"), "password", "hunter2");
  EXPECT_EQ(e.first_layer().fields()[0].value, "hunter2");
  EXPECT_TRUE(e.first_layer().fields()[0].sensitive);
  EXPECT_EQ(fmt::format("{:+}", e).find("hunter2"), std::string::npos);
  EXPECT_NE(fmt::format("{:+}", e).find("password=(sensitive)"), std::string::npos);
}

}  // namespace
}  // namespace tandem
