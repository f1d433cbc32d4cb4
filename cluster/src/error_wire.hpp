// Error chains as protobuf: the payload of a failed reply.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <tandem/cluster/v1/link.pb.h>

#include <tandem/errors/error.hpp>

namespace tandem::cluster::internal {

/// Layers outermost first; layers without a node get `node_name`. At most 32 layers and 64 KiB: the innermost layer is
/// always kept, what is left out is counted.
[[nodiscard]] v1::Error encode_error(const error& what, std::string_view node_name);

/// The chain again, errc and all; the stacks are those of the sending node. Bytes that are no v1::Error give
/// errc::data_loss, a message without layers errc::unknown.
[[nodiscard]] error decode_error(std::span<const std::byte> bytes);

}  // namespace tandem::cluster::internal
