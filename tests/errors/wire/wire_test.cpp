#include <tandem/errors/wire.hpp>

#include <errors/every_errc.hpp>
#include <errors/wire/across.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/public_message.hpp>

namespace tandem {
namespace {

using testing::across;
using testing::decode;
using testing::to_node;

const kind out_of_stock("wire_test.out_of_stock", errc::failed_precondition);

TEST(ErrorWire, KeepsMessagesCodesFieldsAndSites) {
  const error root = with(make_error(errc::not_found, "no such row"), "table", "users");
  const error sent = wrap(root, errc::internal, "cannot greet");
  const error got = across(sent);
  EXPECT_EQ(got, sent);
  EXPECT_EQ(got.code(), errc::internal);
  EXPECT_TRUE(is(got, errc::not_found));
  EXPECT_EQ(got.first_layer().node(), "n1");
  EXPECT_EQ(got.first_layer().file(), sent.first_layer().file());
  EXPECT_EQ(got.first_layer().function(), sent.first_layer().function());
  EXPECT_EQ(got.first_layer().line(), sent.first_layer().line());
  const layer_view inner = got.first_layer().next();
  ASSERT_EQ(inner.fields().size(), 1u);
  EXPECT_EQ(inner.fields()[0], (error_field{"table", "users"}));
  EXPECT_EQ(inner.frames(), root.first_layer().frames());
  EXPECT_FALSE(inner.frames().empty());
}

TEST(ErrorWire, KeepsEveryCode) {
  for (const errc code : testing::every_errc) {
    EXPECT_EQ(across(error_of(code)), error_of(code));
    EXPECT_EQ(across(make_error(code, "x")).code(), code);
  }
}

TEST(ErrorWire, KeepsKindsSoThatTheyAreFoundOnTheFarSide) {
  const error got = across(wrap(make_error(out_of_stock, "no more of 7"), errc::internal, "cannot sell"));
  EXPECT_TRUE(is(got, out_of_stock));
  EXPECT_TRUE(is(got, errc::failed_precondition));
  EXPECT_EQ(got.code(), errc::internal);
}

TEST(ErrorWire, KeepsTheTreeOfJoinedCauses) {
  const error left = with_message(make_error(errc::aborted, "a"), "b");
  const error inner = wrap(join(make_error(errc::closed, "c"), make_error(errc::not_found, "d")), "e");
  const error sent = wrap(join({left, inner, error_of(errc::internal)}), "f");
  const error got = across(sent);
  EXPECT_EQ(got.message(), "f: [b: a; e: [c; d]; internal]");
  EXPECT_EQ(got, sent);
  ASSERT_EQ(got.first_layer().next().causes().size(), 3u);
  EXPECT_TRUE(got.is(errc::not_found));
}

TEST(ErrorWire, SendsNoErrorAsNoBytes) {
  EXPECT_EQ(encode_error(error(), to_node), "");
  EXPECT_EQ(encode_error(error()), "");
  const auto got = decode("");
  ASSERT_TRUE(got.has_value());
  EXPECT_FALSE(*got);
}

TEST(ErrorWire, TellsStrangersTheCodeAndThePublicTextOnly) {
  const error e = with(wrap(make_error(out_of_stock, "secret"), "also secret"), "password", "very secret");
  const std::string bytes = encode_error(e, {.node = "n1"});
  EXPECT_EQ(bytes.find("secret"), std::string::npos);
  EXPECT_EQ(bytes.find("n1"), std::string::npos);
  const auto got = decode(bytes);
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->message(), public_message(e));
  EXPECT_EQ(got->code(), e.code());
  EXPECT_TRUE(got->first_layer().file().empty());
  EXPECT_FALSE(got->first_layer().has_stack());
}

TEST(ErrorWire, SendsTheKeyOfASensitiveFieldAndNeverItsValue) {
  const error e = with_sensitive(with(make_error(errc::internal, "x"), "user", "7"), "token", "hunter2");
  const std::string once = encode_error(e, to_node);
  EXPECT_EQ(once.find("hunter2"), std::string::npos);
  const error got = across(e);
  ASSERT_EQ(got.first_layer().fields().size(), 2u);
  EXPECT_EQ(got.first_layer().fields()[1], (error_field{"token", "(redacted)", true}));
  // Nor that of one which is added to a layer that came from elsewhere.
  EXPECT_EQ(encode_error(with_sensitive(got, "key", "hunter3"), to_node).find("hunter3"), std::string::npos);
}

TEST(ErrorWire, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(across(make_error(errc::not_found, "no file caf\xe9.txt")).message(), "no file caf\xef\xbf\xbd.txt");
  EXPECT_EQ(across(make_error(errc::not_found, "no file caf\xc3\xa9.txt")).message(), "no file caf\xc3\xa9.txt");
  EXPECT_EQ(across(make_error(errc::not_found, "\xed\xa0\x80\xf8\xc0\x80\xe2\x82")).code(), errc::not_found);
  const error e = with(make_error(errc::not_found, "x"), "k\xff", "v\xff");
  EXPECT_EQ(across(e).first_layer().fields()[0], (error_field{"k\xef\xbf\xbd", "v\xef\xbf\xbd"}));
}

TEST(ErrorWire, KeepsEmbeddedNulls) {
  const std::string text("a\0b", 3);
  EXPECT_EQ(across(make_error(errc::not_found, text)).message(), text);
}

TEST(ErrorWire, NamesTheNodeOfEachLayer) {
  const error first = across(make_error(errc::internal, "x"), {.node = "a", .audience = wire_audience::node});
  const error second = across(wrap(first, "y"), {.node = "b", .audience = wire_audience::node});
  EXPECT_EQ(second.first_layer().node(), "b");
  EXPECT_EQ(second.first_layer().next().node(), "a");
}

}  // namespace
}  // namespace tandem
