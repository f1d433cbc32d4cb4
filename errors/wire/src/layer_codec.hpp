// One layer to and from the bytes of v1.Layer.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tandem/errors/layer.hpp>

#include "limits.hpp"

namespace tandem::internal {

struct encoded_layer {
  std::string bytes;
  std::size_t parts = 0;  // fields and frames
};

/// The whole layer, within the limits for one; a received one as it came, with the fields added since. Looks up the
/// names of frames.
[[nodiscard]] encoded_layer encode_layer(const layer_view& layer, std::string_view node, const wire_limits& limits);

/// What of a layer must survive: its code, its kind, the beginning of its message, its node.
[[nodiscard]] encoded_layer encode_briefly(const layer_view& layer, std::string_view node, const wire_limits& limits);

/// Gives an encoded layer a code of its own.
void append_code(std::string& layer, errc code);

/// What the memory for a layer depends on.
struct layer_facts {
  std::size_t fields = 0;
  std::size_t frames = 0;
  std::uint32_t code = 0;  // as sent
};

/// None if the bytes are not fields in Protobuf's form.
[[nodiscard]] std::optional<layer_facts> scan_layer(std::string_view bytes);

/// The layer, without `received`; none if the bytes are no layer. Requires the facts that scan_layer() found.
[[nodiscard]] std::optional<layer_data> decode_layer(std::string_view bytes, const layer_facts& facts);

}  // namespace tandem::internal
