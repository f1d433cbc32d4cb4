#include <tandem/errors/error.hpp>

#include <limits>
#include <random>

#include <gtest/gtest.h>
#include <tandem/errors/format.hpp>
#include <tandem/errors/layer.hpp>

namespace tandem {
namespace {

error plain(errc code, const char* message) { return make_error(code, message); }

TEST(Join, OfNothingIsNoError) {
  EXPECT_FALSE(join({}));
  EXPECT_FALSE(join(error(), error()));
}

TEST(Join, OfOneErrorIsThatError) {
  const error e = plain(errc::not_found, "a");
  EXPECT_EQ(join(error(), e).first_layer(), e.first_layer());
}

TEST(Join, SaysWhatAllCausesSayAndHasTheCodeOfTheFirst) {
  const error e = wrap(join(wrap(plain(errc::data_loss, "disk full"), "write"), plain(errc::closed, "gone")), "cannot stop");
  EXPECT_EQ(e.message(), "cannot stop: [write: disk full; gone]");
  EXPECT_EQ(e.code(), errc::data_loss);
  EXPECT_TRUE(e.is(errc::data_loss));
  EXPECT_TRUE(e.is(errc::closed));
  EXPECT_FALSE(e.is(errc::aborted));
}

TEST(Join, MakesOneFlatListOfJoinsOfJoins) {
  error all;
  for (const char* name : {"a", "b", "c"}) all = join(std::move(all), plain(errc::internal, name));
  EXPECT_EQ(all.message(), "[a; b; c]");
  EXPECT_EQ(join(plain(errc::internal, "z"), all).message(), "[z; a; b; c]");
  EXPECT_EQ(join(all, all).message(), "[a; b; c; a; b; c]");
}

TEST(Join, KeepsAJoinThatSaysSomethingOfItsOwn) {
  const error inner = with(join(plain(errc::internal, "a"), plain(errc::internal, "b")), "phase", "stop");
  const error outer = join(inner, plain(errc::internal, "c"));
  EXPECT_EQ(outer.message(), "[[a; b]; c]");
  ASSERT_EQ(outer.first_layer().causes().size(), 2u);
  EXPECT_EQ(outer.first_layer().causes()[0].first_layer().fields().size(), 1u);
}

TEST(Join, LeavesSharedJoinsAlone) {
  const error two = join(plain(errc::internal, "a"), plain(errc::internal, "b"));
  const error three = join(two, plain(errc::internal, "c"));
  EXPECT_EQ(two.message(), "[a; b]");
  EXPECT_EQ(three.message(), "[a; b; c]");
}

TEST(Join, DropsAndCountsWhatIsBeyondTheLimit) {
  error all;
  for (std::size_t i = 0; i < max_joined_roots; ++i) all = join(std::move(all), error_of(errc::closed));
  EXPECT_EQ(all.first_layer().left_out(), 0u);
  all = join(std::move(all), plain(errc::aborted, "one too many"));
  EXPECT_EQ(all.first_layer().causes().size(), max_joined_roots);
  EXPECT_EQ(all.first_layer().left_out(), 1u);
  EXPECT_TRUE(all.message().ends_with("; closed; and 1 more]"));
  EXPECT_TRUE(all.is(errc::aborted)) << "the codes of dropped causes are known";
}

// A chain cannot contain itself, but it can share itself: 2^100 roots if they were all kept.
TEST(Join, OfAnErrorWithItselfTimeAndAgainStaysSmall) {
  error e = plain(errc::internal, "root");
  for (int i = 0; i < 100; ++i) e = join(wrap(e, "left"), wrap(e, "right"));
  EXPECT_LT(e.message().size(), std::size_t{1} << 20);
  EXPECT_TRUE(e.is(errc::internal));
  EXPECT_EQ(e.kind_key(), "");
  EXPECT_EQ(e.as<int>(), nullptr);
  EXPECT_FALSE(fmt::format("{:+}", e).empty());
  EXPECT_GT(e.first_layer().left_out(), 0u);
}

TEST(Join, StopsCountingWhatItLeavesOutBeforeTheCountOverflows) {
  error e = plain(errc::internal, "root");
  for (int i = 0; i < 100; ++i) e = join(e, e);
  EXPECT_EQ(e.first_layer().left_out(), 4'294'967'295u);
  EXPECT_TRUE(e.message().ends_with("; and 4294967295 more]"));
  layer_data received;
  received.left_out = std::numeric_limits<std::size_t>::max();
  EXPECT_EQ(add_layer({e, plain(errc::closed, "a")}, received).first_layer().left_out(), 4'294'967'295u);
}

TEST(Join, OfWhatSharesALongMessageDoesNotMultiplyIt) {
  error e = make_error(errc::internal, std::string(10'000'000, 'x'));
  for (int i = 0; i < 10; ++i) e = join(wrap(e, "left"), wrap(e, "right"));
  EXPECT_LT(e.message().size(), std::size_t{65} << 20);
}

TEST(Join, OfWhatSharesADeepChainDoesNotMultiplyIt) {
  error e = plain(errc::internal, "root");
  for (int i = 0; i < 10'000; ++i) e = with_message(std::move(e), "layer");
  for (int i = 0; i < 10; ++i) e = join(wrap(e, "left"), wrap(e, "right"));
  EXPECT_LT(e.message().size(), 70'000u * 8);
}

TEST(Join, KeepsItsFirstCauseHoweverLargeItIs) {
  error e = plain(errc::internal, "root");
  for (int i = 0; i < 70'000; ++i) e = with_message(std::move(e), "layer");
  const error joined = join(e, error_of(errc::closed));
  ASSERT_EQ(joined.first_layer().causes().size(), 1u);
  EXPECT_EQ(joined.first_layer().left_out(), 1u);
  EXPECT_TRUE(joined.message().ends_with("root; and 1 more]"));
}

TEST(Join, NestsWithoutLimitInDepth) {
  error e = plain(errc::data_loss, "root");
  for (int i = 0; i < 10'000; ++i) e = wrap(join(std::move(e), error_of(errc::closed)), "level");
  EXPECT_TRUE(e.is(errc::data_loss)) << "kept or not, its code is known";
  EXPECT_FALSE(e.message().empty());
  EXPECT_FALSE(fmt::format("{:+}", e).empty());
}

TEST(Join, IsFreedWithoutRecursion) {
  error e = plain(errc::data_loss, "root");
  for (int i = 0; i < 1'000; ++i) e = with(join(std::move(e), error_of(errc::closed)), "level", "x");
  for (int i = 0; i < 200'000; ++i) e = with_message(std::move(e), "deep");
  e = error();
}

TEST(Join, HasAStackIfACauseHasOne) {
  EXPECT_FALSE(wrap(join(plain(errc::internal, "a"), error_of(errc::closed)), "outer").first_layer().has_stack());
  EXPECT_TRUE(wrap(join(error_of(errc::closed), error_of(errc::closed)), "outer").first_layer().has_stack());
}

TEST(Cause, OfJoinedErrorsIsTheJoin) {
  const error e = wrap(join(plain(errc::internal, "a"), plain(errc::internal, "b")), "outer");
  EXPECT_EQ(cause(e).message(), "[a; b]");
}

// Builds the same tree twice: as an error, and as the text it should have.
TEST(Join, SaysWhatAReferenceModelSaysOfRandomTrees) {
  struct described {
    error e;
    std::string message;
    bool bare_join = false;
    std::string inside;  // of the brackets, if bare_join
  };
  std::mt19937 random(20260301);
  for (int round = 0; round < 300; ++round) {
    std::vector<described> made;
    for (int i = 0; i < 4; ++i) made.push_back({plain(errc::internal, "r"), "r", false, {}});
    for (int step = 0; step < 10; ++step) {  // 2^10 roots at most: none is left out
      const described& a = made[random() % made.size()];
      const described& b = made[random() % made.size()];
      if (random() % 2 == 0) {
        made.push_back({wrap(a.e, "w"), "w: " + a.message, false, {}});
      } else {
        const std::string inside = (a.bare_join ? a.inside : a.message) + "; " + (b.bare_join ? b.inside : b.message);
        made.push_back({join(a.e, b.e), "[" + inside + "]", true, inside});
      }
    }
    for (const described& d : made) ASSERT_EQ(d.e.message(), d.message);
  }
}

}  // namespace
}  // namespace tandem
