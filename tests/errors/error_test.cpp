#include <tandem/errors/error.hpp>

#include <atomic>
#include <thread>
#include <type_traits>

#include <errors/allocation_count.hpp>
#include <errors/every_errc.hpp>
#include <gtest/gtest.h>
#include <tandem/errors/layer.hpp>

namespace tandem {
namespace {

static_assert(sizeof(error) == sizeof(void*));
static_assert(std::is_nothrow_copy_constructible_v<error> && std::is_nothrow_move_constructible_v<error>);
static_assert(!std::is_convertible_v<error, bool>);

int count_stacks(const error& e) {
  int stacks = 0;
  for (layer_view layer = e.first_layer(); layer; layer = layer.next()) stacks += layer.has_stack() ? 1 : 0;
  return stacks;
}

TEST(Error, IsNoErrorByDefault) {
  const error none;
  EXPECT_FALSE(none);
  EXPECT_EQ(none.message(), "");
  EXPECT_EQ(none.code(), errc::unknown);
  EXPECT_FALSE(none.is(errc::unknown));
  EXPECT_FALSE(none == errc::unknown);
  EXPECT_FALSE(none.first_layer());
  EXPECT_FALSE(cause(none));
}

TEST(Error, SaysItsCodeAndMessage) {
  const error e = make_error(errc::not_found, "no such file");
  ASSERT_TRUE(e);
  EXPECT_EQ(e.code(), errc::not_found);
  EXPECT_EQ(errc_of(e), errc::not_found);
  EXPECT_EQ(e.message(), "no such file");
}

TEST(Error, ReadsAsItsCodeWithoutAMessage) {
  EXPECT_EQ(make_error(errc::aborted, "").message(), "aborted");
}

TEST(Error, LeavesNoErrorBehindWhenMoved) {
  error from = make_error(errc::internal, "bug");
  const error to = std::move(from);
  EXPECT_FALSE(from);
  EXPECT_EQ(to.message(), "bug");
}

TEST(Error, SurvivesAssignmentToItself) {
  error e = make_error(errc::internal, "bug");
  const error& same = e;
  e = same;
  EXPECT_EQ(e.message(), "bug");
}

TEST(Error, EqualsWhatSaysTheSame) {
  const error a = wrap(make_error(errc::not_found, "x"), "y");
  const error b = with(wrap(make_error(errc::not_found, "x"), "y"), "key", "value");
  EXPECT_EQ(a, b);
  EXPECT_NE(a, wrap(make_error(errc::aborted, "x"), "y"));
  EXPECT_NE(a, wrap(make_error(errc::not_found, "x"), "z"));
  EXPECT_NE(a, error());
  EXPECT_EQ(error(), error());
  EXPECT_TRUE(a == errc::not_found);
}

TEST(ErrorChain, JoinsMessagesOutermostFirst) {
  const error e = wrap(with_message(make_error(errc::not_found, "no such file"), "cannot read a.txt"), "cannot start");
  EXPECT_EQ(e.message(), "cannot start: cannot read a.txt: no such file");
}

TEST(ErrorChain, InheritsTheCodeOfWhatItWraps) {
  const error e = with_message(wrap(make_error(errc::not_found, "a"), "b"), "c");
  for (layer_view layer = e.first_layer(); layer; layer = layer.next()) EXPECT_EQ(layer.code(), errc::not_found);
  EXPECT_FALSE(e.first_layer().has_own_code());
}

TEST(ErrorChain, FindsEveryCodeItWasClassifiedAs) {
  const error e = with_message(wrap(make_error(errc::unavailable, "a"), errc::aborted, "b"), "c");
  EXPECT_EQ(e.code(), errc::aborted);
  EXPECT_TRUE(is(e, errc::aborted));
  EXPECT_TRUE(is(e, errc::unavailable));
  EXPECT_FALSE(is(e, errc::not_found));
}

TEST(ErrorChain, GivesItsRootAsTheCause) {
  const error root = make_error(errc::not_found, "root");
  const error e = wrap(wrap(root, "b"), "c");
  EXPECT_EQ(cause(e).message(), "root");
  EXPECT_EQ(e.message(), "c: b: root");
}

TEST(ErrorChain, OutlivesTheErrorsItWasMadeFrom) {
  error root;
  {
    const error e = wrap(make_error(errc::not_found, "a message too long for the small string buffer"), "b");
    root = cause(e);
  }
  EXPECT_EQ(root.message(), "a message too long for the small string buffer");
}

TEST(ErrorChain, StaysNoErrorHoweverWrapped) {
  EXPECT_FALSE(wrap(error(), "a"));
  EXPECT_FALSE(wrap(error(), errc::internal, "a"));
  EXPECT_FALSE(with_message(error(), "a"));
  EXPECT_FALSE(with(error(), "key", "value"));
}

TEST(ErrorChain, HasOneStackHoweverOftenWrapped) {
  EXPECT_EQ(count_stacks(wrap(wrap(make_error(errc::internal, "a"), "b"), errc::aborted, "c")), 1);
  EXPECT_EQ(count_stacks(wrap(with_message(wrap(error_of(errc::closed), "a"), "b"), "c")), 1);
}

TEST(ErrorChain, GetsItsStackFromTheFirstWrapIfTheRootHasNone) {
  const error e = wrap(error_of(errc::closed), "a");
  EXPECT_TRUE(e.first_layer().has_stack());
  EXPECT_FALSE(e.first_layer().next().has_stack());
  EXPECT_EQ(count_stacks(with_message(error_of(errc::closed), "a")), 0);
}

TEST(ErrorChain, OfAMillionLayersIsDestroyedWithoutRecursion) {
  error e = error_of(errc::unavailable);
  for (int i = 0; i < 1'000'000; ++i) e = with_message(std::move(e), "again");
  e = error();
  EXPECT_FALSE(e);
}

TEST(ErrorFields, JoinTheOutermostLayerInOrder) {
  const error e = with(with(wrap(make_error(errc::internal, "a"), "b"), "user", "7"), "user", "8");
  const layer_view outer = e.first_layer();
  ASSERT_EQ(outer.fields().size(), 2u);
  EXPECT_EQ(outer.fields()[0], (error_field{"user", "7"}));
  EXPECT_EQ(outer.fields()[1], (error_field{"user", "8"}));
  EXPECT_TRUE(outer.next().fields().empty());
  EXPECT_EQ(e.message(), "b: a");
}

TEST(ErrorFields, DoNotReachCopiesMadeBefore) {
  const error before = wrap(make_error(errc::internal, "a"), "b");
  const error after = with(before, "key", "value");
  EXPECT_TRUE(before.first_layer().fields().empty());
  ASSERT_EQ(after.first_layer().fields().size(), 1u);
  EXPECT_EQ(after.message(), "b: a");
  EXPECT_EQ(after.first_layer().line(), before.first_layer().line());
  EXPECT_EQ(count_stacks(after), 1);
}

TEST(ErrorFields, KeepTheStackOfACopiedLayer) {
  const error before = make_error(errc::internal, "a");
  EXPECT_EQ(with(before, "key", "value").first_layer().frames(), before.first_layer().frames());
}

TEST(ErrorFields, CanBeAddedToAConstantError) {
  const error e = with(error_of(errc::closed), "channel", "jobs");
  EXPECT_EQ(e.message(), "closed");
  EXPECT_EQ(e.first_layer().fields().size(), 1u);
  EXPECT_TRUE(error_of(errc::closed).first_layer().fields().empty());
}

TEST(ErrorOf, SaysTheNameOfEveryCode) {
  for (errc code : testing::every_errc) {
    EXPECT_EQ(error_of(code).code(), code);
    EXPECT_EQ(error_of(code).message(), to_string(code));
    EXPECT_TRUE(error_of(code).is(code));
  }
  EXPECT_EQ(error_of(static_cast<errc>(77)).code(), errc::unknown);
}

TEST(ErrorOf, NeverAllocates) {
  const std::size_t before = testing::allocation_count();
  const error e = error_of(errc::closed);
  const error copy = e;
  EXPECT_TRUE(copy.is(errc::closed));
  EXPECT_EQ(testing::allocation_count(), before);
}

TEST(MakeError, AllocatesOnceBesidesTheMessage) {
  const std::size_t before = testing::allocation_count();
  const error e = make_error(errc::not_found, "short");
  EXPECT_EQ(testing::allocation_count(), before + 1);
}

TEST(MakeError, RecordsTheCallingLine) {
  const std::uint32_t line_before = __LINE__;
  const error e = make_error(errc::internal, "here");
  EXPECT_EQ(e.first_layer().line(), line_before + 1);
  EXPECT_TRUE(e.first_layer().file().ends_with("error_test.cpp"));
  EXPECT_NE(e.first_layer().function().find("TestBody"), std::string_view::npos);
}

TEST(ErrorSharing, AllowsCopiesWrapsAndFieldsFromManyThreads) {
  error shared = wrap(make_error(errc::unavailable, "a message too long for the small string buffer"), "outer");
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([mine = shared, &right] {
        for (int round = 0; round < 2000; ++round) {
          const error copy = mine;
          const error wrapped = with(wrap(copy, "again"), "round", "n");
          const error extended = with(copy, "key", "value");
          if (wrapped.is(errc::unavailable) && extended == mine) ++right;
        }
      });
    }
    shared = error();  // the last share is dropped by one of the threads
  }
  EXPECT_EQ(right, 4 * 2000);
}

TEST(ErrorSharing, LetsTheLastHolderAddFieldsAfterOthersHaveRead) {
  for (int round = 0; round < 500; ++round) {
    error mine = make_error(errc::internal, "shared");
    std::jthread reader([theirs = mine] { EXPECT_TRUE(theirs.first_layer().fields().empty()); });
    mine = with(std::move(mine), "key", "value");  // in place if the reader is gone, in a copy if not
    ASSERT_EQ(mine.first_layer().fields().size(), 1u);
  }
}

}  // namespace
}  // namespace tandem
