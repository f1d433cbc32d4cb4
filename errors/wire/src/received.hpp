// What decode_error() leaves with a layer (layer_view::received) for encode_error() to find.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tandem/errors/layer.hpp>

namespace tandem::internal {

/// A layer as it came. Borrows from the layer it was asked of.
struct received_layer {
  std::string_view layer;    // the bytes of v1.Layer
  std::string_view unknown;  // with the outermost layer: the fields of v1.Error that were not known here
};

[[nodiscard]] std::string pack_received(const received_layer& parts);
/// None if the layer was not received, or not by decode_error().
[[nodiscard]] std::optional<received_layer> received_by(const layer_view& layer);

/// A layer that stands where `count` layers were elided.
[[nodiscard]] layer_data elision_of(std::uint32_t count);
/// The number of layers that this one stands for; none if it is an ordinary layer, also if fields made it one.
[[nodiscard]] std::optional<std::uint32_t> elided_by(const layer_view& layer);

}  // namespace tandem::internal
