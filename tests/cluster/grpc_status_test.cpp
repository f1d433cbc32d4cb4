#include <tandem/cluster/grpc_status.hpp>

#include <string>

#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include <errors/every_errc.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/public_message.hpp>

namespace tandem::cluster {
namespace {

constexpr wire_options to_node{.node = "n1", .audience = wire_audience::node};

const kind no_stock("grpc_status_test.no_stock", errc::failed_precondition);

TEST(GrpcStatus, CarriesTheWholeErrorToNodes) {
  const error sent = wrap(make_error(no_stock, "no more of 7"), errc::overloaded, "cannot sell");
  const grpc::Status status = to_grpc_status(sent, to_node);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(status.error_message(), "cannot sell: no more of 7");
  const error got = from_grpc_status(status);
  EXPECT_EQ(got, sent);
  EXPECT_TRUE(is(got, no_stock));
  EXPECT_EQ(got.first_layer().node(), "n1");
}

TEST(GrpcStatus, TellsStrangersOnlyTheCodeAndThePublicText) {
  const error sent = with(wrap(make_error(no_stock, "secret"), "secret, too"), "key", "secret");
  const grpc::Status status = to_grpc_status(sent);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), public_message(sent));
  EXPECT_EQ(status.error_details().find("secret"), std::string::npos);
  const error got = from_grpc_status(status);
  EXPECT_EQ(got.code(), errc::failed_precondition);
  EXPECT_EQ(got.message(), public_message(sent));
}

TEST(GrpcStatus, KeepsEveryCode) {
  for (const errc code : tandem::testing::every_errc) {
    const grpc::Status status = to_grpc_status(error_of(code));
    EXPECT_EQ(static_cast<int>(status.error_code()), grpc_status_of(code));
    EXPECT_EQ(from_grpc_status(status).code(), code);
  }
}

TEST(GrpcStatus, OfNoErrorIsOkAndBack) {
  EXPECT_TRUE(to_grpc_status(error()).ok());
  EXPECT_FALSE(from_grpc_status(grpc::Status::OK));
}

TEST(GrpcStatus, OfOtherServicesGivesTheirCodeAndMessage) {
  // The last is a google.rpc.Status {code: 5, message: "x"}.
  for (const char* details : {"", "garbage", "\x08\x05\x12\x01x"}) {
    const error got = from_grpc_status(grpc::Status(grpc::StatusCode::NOT_FOUND, "no such row", details));
    EXPECT_EQ(got.code(), errc::not_found);
    EXPECT_EQ(got.message(), "no such row");
    EXPECT_TRUE(got.first_layer().file().ends_with("grpc_status_test.cpp"));
  }
}

TEST(GrpcStatus, DoesNotBelieveDetailsThatContradictIt) {
  const std::string details = to_grpc_status(make_error(errc::not_found, "x"), to_node).error_details();
  EXPECT_EQ(from_grpc_status(grpc::Status(grpc::StatusCode::ABORTED, "y", details)).message(), "y");
}

TEST(GrpcStatus, FitsIntoTheMetadataOfACall) {
  const error huge = wrap(make_error(errc::aborted, std::string(1 << 20, 'x')), "€" + std::string(1 << 20, 'y'));
  const grpc::Status status = to_grpc_status(huge, to_node);
  EXPECT_LE(status.error_details().size(), max_status_details_bytes);
  EXPECT_LE(status.error_message().size(), 512U);
  EXPECT_EQ(from_grpc_status(status).code(), errc::aborted);
}

}  // namespace
}  // namespace tandem::cluster
