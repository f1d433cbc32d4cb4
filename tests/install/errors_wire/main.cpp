#include <tandem/errors/format.hpp>
#include <tandem/errors/v1/error.pb.h>
#include <tandem/errors/wire.hpp>

int main() {
  const tandem::error e = tandem::make_error(tandem::errc::not_found, "no such row");
  const std::string bytes = tandem::encode_error(e, {.audience = tandem::wire_audience::node});
  fmt::print("arrived: {}\n", tandem::decode_error(std::as_bytes(std::span(bytes))).value());
  tandem::errors::v1::Error message;
  return message.ParseFromString(bytes) ? 0 : 1;
}
