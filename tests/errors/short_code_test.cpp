#include <tandem/errors/short_code.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(ShortCode, HashesTheDocumentedVectorTo30EV) {
  EXPECT_EQ(short_code("Access denied for user 'db_user'@'127.0.0.1'"), "30EV");
}

TEST(ShortCode, OfAnErrorIsThatOfItsMessageChain) {
  const error e = wrap(make_error(errc::permission_denied, "user 'db_user'@'127.0.0.1'"), "Access denied");
  EXPECT_EQ(short_code(e), short_code("Access denied: user 'db_user'@'127.0.0.1'"));
  EXPECT_EQ(short_code(make_error(errc::internal, "Access denied for user 'db_user'@'127.0.0.1'")), "30EV");
}

TEST(ShortCode, IsFourCharactersWithoutLookalikesAndNormal) {
  for (int i = 0; i < 20'000; ++i) {
    const std::string code = short_code(fmt::format("text {}", i));
    ASSERT_EQ(code.size(), 4u);
    ASSERT_EQ(code.find_first_not_of("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"), std::string::npos) << code;
    ASSERT_EQ(normalise_code(code), code);
  }
}

TEST(NormaliseCode, ReadsWhatPeopleType) {
  EXPECT_EQ(normalise_code("30ev"), "30EV");
  EXPECT_EQ(normalise_code("3OEV"), "30EV");
  EXPECT_EQ(normalise_code("3oev"), "30EV");
  EXPECT_EQ(normalise_code("lIi1"), "1111");
  EXPECT_EQ(normalise_code("L000"), "L000");
}

TEST(NormaliseCode, RejectsWhatCannotBeACode) {
  for (const char* typed : {"", "30E", "30EVX", "30E ", "30-V", "30\xC3\x89"}) {
    EXPECT_EQ(normalise_code(typed), std::nullopt) << typed;
  }
}

TEST(PublicMessage, TellsNothingButTheCode) {
  const error e = make_error(errc::permission_denied, "Access denied for user 'db_user'@'127.0.0.1'");
  EXPECT_EQ(public_message(e), "internal error, code 30EV");
  EXPECT_EQ(public_message(error()), "no error");
}

}  // namespace
}  // namespace tandem
