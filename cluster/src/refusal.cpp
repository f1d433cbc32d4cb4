#include "refusal.hpp"

#include <utility>

#include <tandem/errors/wire.hpp>

namespace tandem::cluster::internal {

std::string encode_refusal(const error& why, std::string_view own_name) {
  return encode_error(why, {.node = own_name, .audience = wire_audience::node});
}

error decode_refusal(std::span<const std::byte> bytes) {
  result<error> got = decode_error(bytes);
  if (!got) return wrap(std::move(got).error(), errc::data_loss, "the peer answered with an error that cannot be read");
  if (!*got) return make_error(errc::unknown, "the peer answered with an empty error");
  return *std::move(got);
}

}  // namespace tandem::cluster::internal
