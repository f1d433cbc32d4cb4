#include "error_wire.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <tandem/errors/layer.hpp>

namespace tandem::cluster::internal {
namespace {

constexpr std::size_t most_layers = 32;
constexpr std::size_t most_bytes = std::size_t{64} << 10;
constexpr std::size_t most_text = std::size_t{4} << 10;  // of one string

// The length of the UTF-8 character that begins at `at`; 0 if none does.
std::size_t character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  if (length == 0 || text.size() - at < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  // Overlong forms, surrogates, and what is above U+10FFFF.
  const unsigned char second = byte(at + 1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) || (first == 0xf0 && second < 0x90) ||
      (first == 0xf4 && second >= 0x90))
    return 0;
  return length;
}

// What a field of type string may hold: Protobuf refuses a whole message for one byte that is no UTF-8.
std::string clipped(std::string text) {
  const bool cut = text.size() > most_text;
  if (cut) text.resize(most_text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = character_at(text, at);
    if (length == 0) text[at] = '?';
    at += std::max<std::size_t>(length, 1);
  }
  if (cut) text += "…";
  return text;
}

v1::Error::Layer encode_layer(const layer_view& view, std::string_view node_name) {
  layer_data data = to_data(view);
  v1::Error::Layer layer;
  layer.set_message(clipped(std::move(data.message)));
  if (data.code) layer.set_code(static_cast<std::uint32_t>(*data.code));
  layer.set_file(clipped(std::move(data.file)));
  layer.set_line(data.line);
  layer.set_function(clipped(std::move(data.function)));
  layer.set_node(data.node.empty() ? std::string(node_name) : clipped(std::move(data.node)));
  for (error_field& f : data.fields) {
    v1::Error::Field* field = layer.add_fields();
    field->set_key(clipped(std::move(f.key)));
    field->set_value(clipped(std::move(f.value)));
  }
  for (std::string& frame : data.frames) layer.add_frames(clipped(std::move(frame)));
  return layer;
}

}  // namespace

v1::Error encode_error(const error& what, std::string_view node_name) {
  std::vector<v1::Error::Layer> layers;
  for (layer_view view = what.first_layer(); view; view = view.next()) layers.push_back(encode_layer(view, node_name));

  v1::Error out;
  if (layers.empty()) return out;
  v1::Error::Layer root = std::move(layers.back());
  layers.pop_back();
  if (root.ByteSizeLong() > most_bytes) root.clear_frames();
  if (root.ByteSizeLong() > most_bytes) root.clear_fields();
  std::size_t room = most_bytes - std::min(most_bytes, root.ByteSizeLong());
  std::uint32_t elided = 0;
  for (v1::Error::Layer& layer : layers) {
    const std::size_t bytes = layer.ByteSizeLong();
    if (static_cast<std::size_t>(out.layers_size()) + 1 >= most_layers || bytes > room) {
      ++elided;
      continue;
    }
    room -= bytes;
    *out.add_layers() = std::move(layer);
  }
  *out.add_layers() = std::move(root);
  out.set_elided_layers(elided);
  return out;
}

error decode_error(std::span<const std::byte> bytes) {
  // Two bytes can be a layer, which takes some hundred here: what encode_error() never makes is not looked at.
  const auto too_large = [] { return make_error(errc::data_loss, "the peer answered with an error that is too large"); };
  if (bytes.size() > 4 * most_bytes) return too_large();
  v1::Error in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return make_error(errc::data_loss, "the peer answered with an error that cannot be read");
  if (in.layers_size() == 0) return make_error(errc::unknown, "the peer answered with an empty error");
  if (static_cast<std::size_t>(in.layers_size()) > most_layers) return too_large();
  error chain;
  for (int i = in.layers_size() - 1; i >= 0; --i) {
    v1::Error::Layer& layer = *in.mutable_layers(i);
    layer_data data;
    data.message = std::move(*layer.mutable_message());
    // The innermost layer must have a code; what newer nodes send beyond our set becomes errc::unknown.
    if (layer.code() != 0 || !chain) data.code = errc_from_number(static_cast<int>(layer.code()));
    data.file = std::move(*layer.mutable_file());
    data.function = std::move(*layer.mutable_function());
    data.line = layer.line();
    data.node = std::move(*layer.mutable_node());
    for (v1::Error::Field& f : *layer.mutable_fields())
      data.fields.push_back({std::move(*f.mutable_key()), std::move(*f.mutable_value())});
    for (std::string& frame : *layer.mutable_frames()) data.frames.push_back(std::move(frame));
    chain = add_layer(std::move(chain), std::move(data));
    if (i == in.layers_size() - 1 && in.elided_layers() > 0)
      chain = with(std::move(chain), "elided_layers", fmt::format("{}", in.elided_layers()));
  }
  return chain;
}

}  // namespace tandem::cluster::internal
