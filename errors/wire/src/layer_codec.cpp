#include "layer_codec.hpp"

#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <tandem/errors/v1/error.pb.h>

#include "proto_reader.hpp"
#include "proto_writer.hpp"
#include "received.hpp"
#include "utf8.hpp"

namespace tandem::internal {
namespace {

using errors::v1::Field;
using errors::v1::Layer;

constexpr std::string_view redacted_value = "(redacted)";

// 0 would mean that the code is that of the layer below.
std::uint32_t number_of(errc code) noexcept {
  return code == errc{} ? static_cast<std::uint32_t>(errc::unknown) : static_cast<std::uint32_t>(code);
}

// A kind that was cut would be another kind.
void put_kind(std::string& out, std::string_view key, const wire_limits& limits) {
  if (key.size() <= limits.name && is_utf8(key)) put_text(out, Layer::kKindFieldNumber, key);
}

void put_node(std::string& out, const layer_view& layer, std::string_view node) {
  const std::string_view name = layer.node().empty() && layer.received().empty() ? node : layer.node();
  put_text(out, Layer::kNodeFieldNumber, as_utf8(name, wire_limits::node));
}

std::string encode_field(const error_field& field, const wire_limits& limits) {
  std::string out;
  put_text(out, Field::kKeyFieldNumber, as_utf8(field.key, limits.name));
  if (!field.sensitive) put_text(out, Field::kValueFieldNumber, as_utf8(field.value, limits.fields / 2));
  put_number(out, Field::kRedactedFieldNumber, field.sensitive ? 1 : 0);
  return out;
}

void put_fields(encoded_layer& out, std::span<const error_field> fields, const wire_limits& limits) {
  const std::size_t room = out.bytes.size() + limits.fields;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    std::string field = encode_field(fields[i], limits);
    const bool fits = out.bytes.size() + field.size() <= room && out.parts + 1 < limits.layer_parts;
    if (!fits) field = encode_field({"…", fmt::format("{} fields left out", fields.size() - i)}, limits);
    put_bytes(out.bytes, Layer::kFieldsFieldNumber, field);
    ++out.parts;
    if (!fits) return;
  }
}

void put_frames(encoded_layer& out, const std::vector<std::string>& frames, const wire_limits& limits) {
  const std::size_t room = out.bytes.size() + limits.frames;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    std::string frame = as_utf8(frames[i], limits.name);
    const bool fits = out.bytes.size() + frame.size() <= room && out.parts + 1 < 2 * limits.layer_parts;
    if (!fits) frame = fmt::format("… {} frames left out", frames.size() - i);
    put_bytes(out.bytes, Layer::kFramesFieldNumber, frame);
    ++out.parts;
    if (!fits) return;
  }
}

error_field decode_field(std::string_view bytes, bool& ok) {
  error_field field;
  proto_reader in(bytes);
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(Field::kKeyFieldNumber): field.key = in.text(); break;
      case bytes_tag(Field::kValueFieldNumber): field.value = in.text(); break;
      case number_tag(Field::kRedactedFieldNumber): field.sensitive = in.flag(); break;
      default: in.skip();
    }
  }
  // A redacted value that came nevertheless must not go further, least of all with the bytes that are sent on.
  ok = ok && in.ok() && (!field.sensitive || field.value.empty());
  if (field.sensitive) field.value = redacted_value;
  return field;
}

}  // namespace

encoded_layer encode_layer(const layer_view& layer, std::string_view node, const wire_limits& limits) {
  encoded_layer out;
  if (const auto received = received_by(layer)) {
    if (const auto facts = scan_layer(received->layer)) {
      out.bytes = received->layer;
      out.parts = facts->fields + facts->frames;
      // Fields are only ever added, behind those that are there.
      const std::span<const error_field> fields = layer.fields();
      encoded_layer added;
      if (fields.size() > facts->fields) put_fields(added, fields.subspan(facts->fields), limits);
      out.bytes += added.bytes;
      out.parts += added.parts;
      return out;
    }
  }
  put_text(out.bytes, Layer::kMessageFieldNumber, as_utf8(layer.message(), limits.message));
  if (layer.has_own_code()) append_code(out.bytes, layer.code());
  put_kind(out.bytes, layer.kind_key(), limits);
  put_text(out.bytes, Layer::kFileFieldNumber, as_utf8(layer.file(), limits.name));
  put_text(out.bytes, Layer::kFunctionFieldNumber, as_utf8(layer.function(), limits.name));
  put_number(out.bytes, Layer::kLineFieldNumber, layer.line());
  put_node(out.bytes, layer, node);
  put_fields(out, layer.fields(), limits);
  put_frames(out, layer.frames(), limits);
  return out;
}

encoded_layer encode_briefly(const layer_view& layer, std::string_view node, const wire_limits& limits) {
  encoded_layer out;
  put_text(out.bytes, Layer::kMessageFieldNumber, as_utf8(layer.message(), limits.brief_message));
  if (layer.has_own_code()) {
    std::uint32_t code = number_of(layer.code());
    if (const auto received = received_by(layer))
      if (const auto facts = scan_layer(received->layer); facts && facts->code != 0) code = facts->code;
    put_number(out.bytes, Layer::kCodeFieldNumber, code);
  }
  put_kind(out.bytes, layer.kind_key(), limits);
  put_node(out.bytes, layer, node);
  return out;
}

void append_code(std::string& layer, errc code) { put_number(layer, Layer::kCodeFieldNumber, number_of(code)); }

std::optional<layer_facts> scan_layer(std::string_view bytes) {
  layer_facts facts;
  proto_reader in(bytes);
  while (in.next()) {
    switch (in.tag()) {
      case number_tag(Layer::kCodeFieldNumber): facts.code = in.number(); break;
      case bytes_tag(Layer::kFieldsFieldNumber):
        ++facts.fields;
        in.skip();
        break;
      case bytes_tag(Layer::kFramesFieldNumber):
        ++facts.frames;
        in.skip();
        break;
      default: in.skip();
    }
  }
  if (!in.ok()) return std::nullopt;
  return facts;
}

std::optional<layer_data> decode_layer(std::string_view bytes, const layer_facts& facts) {
  layer_data layer;
  layer.fields.reserve(facts.fields);
  layer.frames.reserve(facts.frames);
  bool ok = true;
  proto_reader in(bytes);
  while (in.next()) {
    switch (in.tag()) {
      case bytes_tag(Layer::kMessageFieldNumber): layer.message = in.text(); break;
      case bytes_tag(Layer::kKindFieldNumber): layer.kind_key = in.text(); break;
      case bytes_tag(Layer::kFileFieldNumber): layer.file = in.text(); break;
      case bytes_tag(Layer::kFunctionFieldNumber): layer.function = in.text(); break;
      case number_tag(Layer::kLineFieldNumber): layer.line = in.number(); break;
      case bytes_tag(Layer::kNodeFieldNumber): layer.node = in.text(); break;
      case bytes_tag(Layer::kFieldsFieldNumber): layer.fields.push_back(decode_field(in.bytes(), ok)); break;
      case bytes_tag(Layer::kFramesFieldNumber): layer.frames.emplace_back(in.text()); break;
      default: in.skip();
    }
  }
  if (!ok || !in.ok()) return std::nullopt;
  if (facts.code != 0) layer.code = facts.code <= 0xff ? errc_from_number(static_cast<int>(facts.code)) : errc::unknown;
  return layer;
}

}  // namespace tandem::internal
