#include <tandem/errors/kind.hpp>

#include <gtest/gtest.h>
#include <tandem/errors/format.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/result.hpp>

namespace tandem {
namespace {

const kind no_such_user("test.no_such_user", errc::not_found, "There is no such user.");
const kind quota_used("test.quota_used", errc::resource_exhausted);
const error no_rows = make_sentinel(errc::not_found, "no rows");

TEST(Kind, GivesTheErrorItsCode) {
  const error e = make_error(no_such_user, "no user 7");
  EXPECT_EQ(e.code(), errc::not_found);
  EXPECT_EQ(e.kind_key(), "test.no_such_user");
  EXPECT_EQ(e.message(), "no user 7");
}

TEST(Kind, IsFoundAnywhereInTheChain) {
  const error e = wrap(wrap(make_error(no_such_user, "no user 7"), quota_used, "asked too often"), "login");
  EXPECT_TRUE(e.is(no_such_user));
  EXPECT_TRUE(e.is(quota_used));
  EXPECT_EQ(e.kind_key(), "test.quota_used");
  EXPECT_EQ(e.code(), errc::resource_exhausted);
  EXPECT_TRUE(is(join(error_of(errc::closed), e), no_such_user));
  EXPECT_FALSE(make_error(errc::not_found, "no user 7").is(no_such_user));
  EXPECT_FALSE(error().is(no_such_user));
}

TEST(Kind, IsThatOfTheCode) {
  const error user = make_error(no_such_user, "no user 7");
  EXPECT_EQ(wrap(user, "login").kind_key(), "test.no_such_user");
  EXPECT_EQ(wrap(user, errc::internal, "a user that must exist").kind_key(), "") << "reclassified";
  EXPECT_EQ(join(user, error_of(errc::closed)).kind_key(), "test.no_such_user");
  EXPECT_EQ(join(make_error(errc::internal, "disk broken"), user).kind_key(), "") << "the first cause speaks for all";
}

TEST(Kind, IsKnownByItsKeyAlone) {
  const kind same("test.no_such_user", errc::not_found);
  EXPECT_TRUE(make_error(no_such_user, "no user 7").is(same));
  layer_data received;
  received.message = "no user 8";
  received.code = errc::not_found;
  received.kind_key = "test.no_such_user";
  EXPECT_TRUE(add_layer(error(), received).is(no_such_user));
}

TEST(Kind, SurvivesACopyOfALayer) {
  layer_data received;
  received.kind_key = "a.kind.that.nobody.here.declares.and.that.is.long";
  error copy;
  {
    const error e = add_layer(error(), received);
    copy = with(e, "key", "value");
  }
  EXPECT_EQ(copy.kind_key(), received.kind_key);
}

TEST(Kind, CanBeFailedWith) {
  const result<int> r = fail(no_such_user, "no user 7");
  EXPECT_TRUE(r.error().is(no_such_user));
}

TEST(Kind, IsTheMessageIfThereIsNoOther) {
  EXPECT_EQ(result<int>(fail(no_such_user)).error().message(), "test.no_such_user");
}

TEST(Kind, IsPrinted) {
  EXPECT_NE(fmt::format("{}", make_error(no_such_user, "x")).find("[test.no_such_user not_found "), std::string::npos);
}

TEST(Sentinel, IsFoundInTheChainsMadeOfIt) {
  EXPECT_TRUE(is(wrap(no_rows, "query"), no_rows));
  EXPECT_TRUE(is(join(error_of(errc::closed), wrap(no_rows, "query")), no_rows));
  EXPECT_TRUE(is(with(no_rows, "table", "users"), no_rows));
  EXPECT_FALSE(is(make_error(errc::not_found, "no table"), no_rows));
  EXPECT_FALSE(is(make_error(errc::internal, "no rows"), no_rows));
  EXPECT_FALSE(is(error(), no_rows));
  EXPECT_FALSE(is(no_rows, error()));
}

TEST(Sentinel, HasNoPlaceOfItsOwnSoThatWrapRecordsOne) {
  EXPECT_TRUE(no_rows.first_layer().file().empty());
  EXPECT_FALSE(no_rows.first_layer().has_stack());
  EXPECT_TRUE(wrap(no_rows, "query").first_layer().has_stack());
}

TEST(Sentinel, IsFoundInAChainFromAnotherProcess) {
  const error there = wrap(no_rows, "query");
  error here;
  here = add_layer(here, to_data(there.first_layer().next()));
  here = add_layer(here, to_data(there.first_layer()));
  EXPECT_TRUE(is(here, no_rows));
}

TEST(Sentinel, MayBeAnErrorThatIsOnlyACode) {
  EXPECT_TRUE(is(wrap(error_of(errc::closed), "recv"), error_of(errc::closed)));
  EXPECT_FALSE(is(wrap(error_of(errc::closed), "recv"), error_of(errc::would_block)));
}

struct quota {
  int used;
  int limit;
};

TEST(Payload, IsFoundByItsTypeAnywhereInTheChain) {
  const error e = wrap(with_payload(make_error(quota_used, "too much"), quota{7, 5}), "upload");
  ASSERT_NE(e.as<quota>(), nullptr);
  EXPECT_EQ(e.as<quota>()->used, 7);
  EXPECT_EQ(as<quota>(join(error_of(errc::closed), e))->limit, 5);
  EXPECT_EQ(e.as<int>(), nullptr);
  EXPECT_EQ(error().as<quota>(), nullptr);
}

TEST(Payload, OfTheOutermostLayerWins) {
  const error e = with_payload(wrap(with_payload(make_error(errc::internal, "in"), 1), "out"), 2);
  EXPECT_EQ(*e.as<int>(), 2);
  EXPECT_EQ(*cause(e).as<int>(), 1);
  EXPECT_EQ(*with_payload(e, 3).as<int>(), 3);
  EXPECT_EQ(*e.as<int>(), 2) << "errors that are shared do not change";
}

TEST(Payload, OfNoErrorIsNoError) { EXPECT_FALSE(with_payload(error(), 1)); }

}  // namespace
}  // namespace tandem
