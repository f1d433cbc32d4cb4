#include <tandem/errors/short_code.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tandem {
namespace {

constexpr std::string_view documented = "Access denied for user 'db_user'@'127.0.0.1'";

TEST(ShortCode, HashesTheDocumentedVectorTo30EV) { EXPECT_EQ(short_code(documented), "30EV"); }

TEST(ShortCode, TakesAnyBytes) {
  EXPECT_EQ(short_code(""), "J17D");
  EXPECT_EQ(short_code(std::string_view("a\0b\n", 4)), "38XS");
  EXPECT_EQ(short_code(std::string(10 << 20, '\xff')).size(), 4u);
}

TEST(ShortCode, OfAnErrorIsThatOfItsMessageChain) {
  const error e = wrap(make_error(errc::permission_denied, "user 'db_user'@'127.0.0.1'"), "Access denied");
  EXPECT_EQ(short_code(e), short_code("Access denied: user 'db_user'@'127.0.0.1'"));
  EXPECT_EQ(short_code(make_error(errc::internal, documented)), "30EV");
}

TEST(ShortCode, OfAKindIsThatOfItsKeyWhateverTheTextSays) {
  const kind no_such_user("shop.no_such_user", errc::not_found);
  EXPECT_EQ(short_code(make_error(no_such_user, "no user 7")), "9F96");
  EXPECT_EQ(short_code(wrap(make_error(no_such_user, "no user 8"), "cannot ship")), "9F96");
}

TEST(ShortCode, OfSeveralKindsIsThatOfTheOutermost) {
  const kind no_such_user("shop.no_such_user", errc::not_found);
  const kind no_delivery("shop.no_delivery", errc::unavailable);
  EXPECT_EQ(short_code(wrap(make_error(no_such_user, "no user 8"), no_delivery, "cannot ship")),
            short_code("shop.no_delivery"));
}

TEST(ShortCode, IsFourCharactersWithoutLookalikesAndNormal) {
  for (int i = 0; i < 20'000; ++i) {
    const std::string code = short_code(fmt::format("text {}", i));
    ASSERT_EQ(code.size(), 4u);
    ASSERT_EQ(code.find_first_not_of("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"), std::string::npos) << code;
    const auto normal = normalise_code(code);
    ASSERT_TRUE(normal.has_value()) << normal.error();
    ASSERT_EQ(*normal, code);
  }
}

TEST(NormaliseCode, ReadsWhatPeopleType) {
  EXPECT_EQ(normalise_code("30ev").value(), "30EV");
  EXPECT_EQ(normalise_code("3OEV").value(), "30EV");
  EXPECT_EQ(normalise_code("3oev").value(), "30EV");
  EXPECT_EQ(normalise_code("lIi1").value(), "1111");
  EXPECT_EQ(normalise_code("L000").value(), "L000");
}

TEST(NormaliseCode, DropsTheBlanksThatWerePastedAlong) { EXPECT_EQ(normalise_code(" 30ev\n"), "30EV"); }

TEST(NormaliseCode, RejectsWhatCannotBeACodeAndSaysWhy) {
  const struct {
    std::string_view typed;
    std::string_view advice;
  } cases[] = {
      {"", "here is none"},
      {"30E", "3 characters"},
      {"30EVX", "5 characters"},
      {"30 V", "' ' is neither"},
      {"30-V", "'-' is neither"},
      {"30\u00c9", "'\u00c9' is neither"},
      {"30E\xC3", "'\\xc3' is neither"},
      {{"30\0V", 4}, "\\x00"},
      {"ZZZZ", "MH33"},
  };
  for (const auto& [typed, advice] : cases) {
    const auto code = normalise_code(typed);
    ASSERT_FALSE(code.has_value()) << typed;
    EXPECT_EQ(code.error(), errc::invalid_argument) << typed;
    EXPECT_NE(code.error().message().find(advice), std::string::npos) << code.error();
  }
}

TEST(NormaliseCode, AnswersShortlyToALongText) {
  EXPECT_LT(normalise_code(std::string(10 << 20, 'A')).error().message().size(), 200u);
}

TEST(NormaliseCode, AcceptsNothingAboveTheHighestCode) {
  EXPECT_EQ(normalise_code("MH33").value(), "MH33");
  EXPECT_EQ(normalise_code("mhl0").value(), "MH10");
  for (const char* typed : {"MH34", "MH3A", "MH43", "MJ00", "N000", "NOOO"}) {
    EXPECT_FALSE(normalise_code(typed).has_value()) << typed;
  }
}

std::uint32_t the_number_asked_for = 0;
std::uint32_t give_number(std::string_view) { return the_number_asked_for; }
std::uint32_t refuse_to_hash(std::string_view) { throw std::runtime_error("out of order"); }

struct installed_hash {
  explicit installed_hash(code_hash hash) { set_code_hash(hash); }
  ~installed_hash() { set_code_hash(nullptr); }
};

// The claim behind comparing with MH33: what is accepted and what can be given out is the same set.
TEST(NormaliseCode, AcceptsExactlyWhatSomeNumberIsWrittenAs) {
  const installed_hash hash(give_number);
  constexpr std::string_view digits = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ";
  std::vector<bool> given(34 * 34 * 34 * 34);
  for (the_number_asked_for = 0; the_number_asked_for < 1u << 20; ++the_number_asked_for) {
    std::size_t place = 0;
    for (const char c : short_code("any")) place = place * 34 + digits.find(c);
    given[place] = true;
  }
  std::size_t rejected = 0;
  for (std::size_t place = 0; place < given.size(); place += 7) {  // an odd step, so that every digit comes by
    std::string code(4, '0');
    std::size_t rest = place;
    for (auto digit = code.rbegin(); digit != code.rend(); ++digit, rest /= 34) *digit = digits[rest % 34];
    const bool accepted = normalise_code(code).has_value();
    ASSERT_EQ(accepted, given[place]) << code;
    rejected += !accepted;
  }
  EXPECT_GT(rejected, 0u);
}

TEST(CodeHash, GivesItsLowest20Bits) {
  const installed_hash hash(give_number);
  the_number_asked_for = 35;
  EXPECT_EQ(short_code("any"), "000Z");
  the_number_asked_for = 0xFFF00000u + 35;
  EXPECT_EQ(short_code("any"), "000Z");
  the_number_asked_for = 0xFFFFFFFFu;
  EXPECT_EQ(short_code(make_error(errc::internal, "any")), "MH33");
}

TEST(CodeHash, ThatThrowsIsReplacedByMd5) {
  const installed_hash hash(refuse_to_hash);
  EXPECT_EQ(short_code(documented), "30EV");
}

TEST(CodeHash, OfNullIsMd5) {
  set_code_hash(give_number);
  set_code_hash(nullptr);
  EXPECT_EQ(short_code(documented), "30EV");
}

}  // namespace
}  // namespace tandem
