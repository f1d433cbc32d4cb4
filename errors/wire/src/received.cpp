#include "received.hpp"

#include <cstring>
#include <limits>

#include <fmt/format.h>

namespace tandem::internal {
namespace {

// The bytes start with a number of four bytes: how many follow of v1.Layer, or this one before how many were elided.
constexpr std::uint32_t elision = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t number_size = sizeof(std::uint32_t);

// They never leave the process: the byte order is the machine's.
void put_number(std::string& out, std::uint32_t number) {
  out.append(reinterpret_cast<const char*>(&number), number_size);
}

std::uint32_t number_at(std::string_view bytes, std::size_t at) noexcept {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data() + at, number_size);
  return number;
}

}  // namespace

std::string pack_received(const received_layer& parts) {
  std::string bytes;
  bytes.reserve(number_size + parts.layer.size() + parts.unknown.size());
  put_number(bytes, static_cast<std::uint32_t>(parts.layer.size()));
  return bytes.append(parts.layer).append(parts.unknown);
}

std::optional<received_layer> received_by(const layer_view& layer) {
  const std::string_view bytes = layer.received();
  if (bytes.size() < number_size) return std::nullopt;
  const std::size_t size = number_at(bytes, 0);
  if (size > bytes.size() - number_size) return std::nullopt;
  return received_layer{bytes.substr(number_size, size), bytes.substr(number_size + size)};
}

layer_data elision_of(std::uint32_t count) {
  layer_data layer;
  layer.message = fmt::format("… {} layer{} elided", count, count == 1 ? "" : "s");
  put_number(layer.received, elision);
  put_number(layer.received, count);
  return layer;
}

std::optional<std::uint32_t> elided_by(const layer_view& layer) {
  const std::string_view bytes = layer.received();
  if (bytes.size() != 2 * number_size || number_at(bytes, 0) != elision || !layer.fields().empty()) return std::nullopt;
  return number_at(bytes, number_size);
}

}  // namespace tandem::internal
