#include <tandem/errors/public_message.hpp>

#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <tandem/errors/code_journal.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/short_code.hpp>

namespace tandem {
namespace {

constexpr const char* documented = "Access denied for user 'db_user'@'127.0.0.1'";

struct public_text {
  explicit public_text(std::string text) { set_public_text(std::move(text)); }
  ~public_text() { set_public_text({}); }
};

TEST(PublicMessage, TellsNothingButTheCode) {
  EXPECT_EQ(public_message(make_error(errc::permission_denied, documented)), "internal error, code 30EV");
  EXPECT_EQ(public_message(error()), "no error");
}

TEST(PublicMessage, LeavesOutFieldsNodesAndSites) {
  layer_data arrived;
  arrived.message = documented;
  arrived.file = "secret.cpp";
  arrived.node = "db-7";
  error e = add_layer(error(), std::move(arrived));
  e = with_sensitive(with(std::move(e), "user", "db_user"), "password", "hunter2");
  EXPECT_EQ(public_message(e), "internal error, code 30EV");
}

TEST(PublicMessage, TellsTheTextThatWasSet) {
  const public_text text("Something broke here");
  EXPECT_EQ(public_message(make_error(errc::internal, documented)), "Something broke here, code 30EV");
  set_public_text({});
  EXPECT_EQ(public_message(make_error(errc::internal, documented)), "internal error, code 30EV");
}

TEST(PublicMessage, TellsTheTextOfTheOutermostKind) {
  const kind inner("shop.no_stock", errc::not_found, "There is none left.");
  const kind outer("shop.no_such_user", errc::not_found, "There is no such user.");
  EXPECT_EQ(public_message(wrap(make_error(inner, "no 7"), outer, "user 8")), "There is no such user, code 9F96");
}

TEST(PublicMessage, OfAKindWithoutATextIsThatOfAnyError) {
  const kind inner("shop.no_stock", errc::not_found, "There is none left.");
  const kind outer("shop.no_such_user", errc::not_found);
  EXPECT_EQ(public_message(wrap(make_error(inner, "no 7"), outer, "user 8")), "internal error, code 9F96");
}

TEST(PublicMessage, OfAKindThatArrivedIsTheTextDeclaredHere) {
  layer_data layer;
  layer.message = "user 8";
  layer.kind_key = "shop.no_such_user";
  const error arrived = add_layer(error(), std::move(layer));
  EXPECT_EQ(public_message(arrived), "internal error, code 9F96");
  const kind here("shop.no_such_user", errc::not_found, "There is no such user.");
  EXPECT_EQ(public_message(arrived), "There is no such user, code 9F96");
}

TEST(PublicMessage, LeavesTheErrorInTheJournalOfTheProcess) {
  const error e = make_error(errc::internal, "public_message_test: looked up by its code");
  ASSERT_FALSE(process_journal().find(short_code(e)).has_value());
  const std::string told = public_message(e);
  const auto entry = process_journal().find(told.substr(told.size() - 4));
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->latest, e);
}

}  // namespace
}  // namespace tandem
