#include <tandem/errors/errc.hpp>

#include <set>
#include <sstream>

#include <errors/every_errc.hpp>
#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(Errc, ComesBackFromItsNumber) {
  for (errc code : testing::every_errc) EXPECT_EQ(errc_from_number(static_cast<int>(code)), code);
}

TEST(Errc, IsUnknownForNumbersOutsideTheSet) {
  for (int number : {-1, 0, 17, 31, 37, 256 + 5, 1 << 20}) EXPECT_EQ(errc_from_number(number), errc::unknown) << number;
}

TEST(Errc, HasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (errc code : testing::every_errc) EXPECT_TRUE(names.insert(to_string(code)).second) << to_string(code);
  EXPECT_EQ(to_string(errc::deadline_exceeded), "deadline_exceeded");
  EXPECT_EQ(to_string(static_cast<errc>(77)), "unknown");
}

TEST(Errc, KeepsGrpcCodesOnTheWire) {
  for (int status = 1; status <= 16; ++status) EXPECT_EQ(grpc_status_of(errc_from_number(status)), status);
}

TEST(Errc, MapsLocalCodesOntoTheGrpcCodeWithTheSameNextMove) {
  EXPECT_EQ(grpc_status_of(errc::closed), static_cast<int>(errc::unavailable));
  EXPECT_EQ(grpc_status_of(errc::would_block), static_cast<int>(errc::resource_exhausted));
  EXPECT_EQ(grpc_status_of(errc::timed_out), static_cast<int>(errc::deadline_exceeded));
  EXPECT_EQ(grpc_status_of(errc::overloaded), static_cast<int>(errc::resource_exhausted));
  EXPECT_EQ(grpc_status_of(errc::circuit_open), static_cast<int>(errc::unavailable));
  EXPECT_EQ(grpc_status_of(static_cast<errc>(77)), static_cast<int>(errc::unknown));
}

TEST(Errc, StreamsItsName) {
  std::ostringstream out;
  out << errc::closed;
  EXPECT_EQ(out.str(), "closed");
}

}  // namespace
}  // namespace tandem
