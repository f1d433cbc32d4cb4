// The payload of a refused request: the whole error, as peers on a link have authenticated as nodes.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <tandem/errors/error.hpp>

namespace tandem::cluster::internal {

[[nodiscard]] std::string encode_refusal(const error& why, std::string_view own_name);

/// Always an error: errc::data_loss for bytes that are none, errc::unknown for those of no error.
[[nodiscard]] error decode_refusal(std::span<const std::byte> bytes);

}  // namespace tandem::cluster::internal
