#include <tandem/errors/layer.hpp>

#include "layer.hpp"

namespace tandem {

using internal::as_layer;

layer_view error::first_layer() const noexcept { return layer_view(top_); }

layer_view layer_view::next() const noexcept { return layer_view(as_layer(node_)->inner); }

std::span<const error> layer_view::causes() const noexcept { return as_layer(node_)->causes(); }

std::size_t layer_view::left_out() const noexcept {
  const auto* layer = as_layer(node_);
  return layer->extras != nullptr ? layer->extras->left_out : 0;
}

std::string_view layer_view::message() const noexcept { return as_layer(node_)->text(); }

errc layer_view::code() const noexcept { return as_layer(node_)->code; }

bool layer_view::has_own_code() const noexcept { return as_layer(node_)->own_code; }

std::string_view layer_view::kind_key() const noexcept { return as_layer(node_)->kind_key; }

std::string_view layer_view::file() const noexcept {
  const auto* layer = as_layer(node_);
  return layer->foreign() != nullptr ? std::string_view(layer->foreign()->file) : layer->file;
}

std::string_view layer_view::function() const noexcept {
  const auto* layer = as_layer(node_);
  return layer->foreign() != nullptr ? std::string_view(layer->foreign()->function) : layer->function;
}

std::uint32_t layer_view::line() const noexcept { return as_layer(node_)->line; }

std::string_view layer_view::received() const noexcept {
  const auto* layer = as_layer(node_);
  return layer->foreign() != nullptr ? std::string_view(layer->foreign()->received) : std::string_view();
}

std::string_view layer_view::short_code() const noexcept {
  const auto* layer = as_layer(node_);
  return layer->foreign() != nullptr ? std::string_view(layer->foreign()->short_code) : std::string_view();
}

std::string_view layer_view::node() const noexcept {
  const auto* layer = as_layer(node_);
  return layer->foreign() != nullptr ? std::string_view(layer->foreign()->node) : std::string_view();
}

std::span<const error_field> layer_view::fields() const noexcept { return as_layer(node_)->fields; }

bool layer_view::has_stack() const noexcept {
  const auto* layer = as_layer(node_);
  return layer->foreign() != nullptr ? !layer->foreign()->frames.empty() : layer->call_count != 0;
}

std::vector<std::string> layer_view::frames() const {
  const auto* layer = as_layer(node_);
  return layer->foreign() != nullptr ? layer->foreign()->frames : describe_stack(layer->stack());
}

layer_data to_data(layer_view layer) {
  layer_data data;
  data.message = layer.message();
  if (layer.has_own_code()) data.code = layer.code();
  data.kind_key = layer.kind_key();
  data.file = layer.file();
  data.function = layer.function();
  data.line = layer.line();
  data.node = layer.node();
  data.fields.assign(layer.fields().begin(), layer.fields().end());
  data.frames = layer.frames();
  data.received = layer.received();
  data.short_code = layer.short_code();
  data.left_out = layer.left_out();
  return data;
}

}  // namespace tandem
