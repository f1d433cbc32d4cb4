#include "refusal.hpp"

#include <span>
#include <string>

#include <gtest/gtest.h>

#include <tandem/errors/layer.hpp>
#include <tandem/errors/v1/error.pb.h>

namespace tandem::cluster::internal {
namespace {

error across(const std::string& bytes) { return decode_refusal(std::as_bytes(std::span(bytes))); }

TEST(Refusal, TellsThePeerTheWholeError) {
  const error root = make_error(errc::not_found, "no such row");
  const error sent = with(wrap(root, errc::internal, "cannot greet"), "table", "users");
  const error got = across(encode_refusal(sent, "n1"));
  EXPECT_EQ(got, sent);
  EXPECT_TRUE(is(got, errc::not_found));
  EXPECT_EQ(got.first_layer().node(), "n1");
  EXPECT_EQ(got.first_layer().fields().size(), 1U);
}

TEST(Refusal, IsAnErrorWhateverTheBytes) {
  EXPECT_EQ(across("\xff\xff\xff\xff garbage").code(), errc::data_loss);
  EXPECT_EQ(across(std::string(1 << 20, '\x0a')).code(), errc::data_loss);
  EXPECT_EQ(across("").code(), errc::unknown);
}

TEST(Refusal, OfACodeFromANewerNodeIsUnknown) {
  errors::v1::Error in;
  in.add_layers()->set_code(9999);
  EXPECT_EQ(across(in.SerializeAsString()).code(), errc::unknown);
}

}  // namespace
}  // namespace tandem::cluster::internal
