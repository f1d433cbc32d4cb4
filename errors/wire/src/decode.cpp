#include <tandem/errors/wire.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <tandem/errors/short_code.hpp>
#include <tandem/errors/v1/error.pb.h>

#include "layer_codec.hpp"
#include "limits.hpp"
#include "proto_reader.hpp"
#include "received.hpp"

namespace tandem {
namespace {

using errors::v1::Error;
using internal::bytes_tag;
using internal::layer_facts;
using internal::number_tag;
using internal::proto_reader;
using internal::wire_limits;

std::unexpected<error> malformed(const char* what) {
  return fail(errc::data_loss, fmt::format("not an encoded error: {}", what));
}

std::unexpected<error> too_large(std::size_t limit, const char* what) {
  return fail(errc::invalid_argument,
              fmt::format("an encoded error of more than {} {}; raise wire_options::max_bytes here, or lower it at the sender",
                          limit, what));
}

// v1.Error, its layers not looked into yet.
struct raw_error {
  struct raw_layer {
    std::string_view bytes;
    layer_facts facts;
  };
  std::vector<raw_layer> layers;
  std::vector<std::uint32_t> below;
  std::vector<std::uint32_t> elided;
  std::vector<std::uint32_t> left_out;
  std::string_view short_code;
  std::string unknown;
};

class raw_reader {
 public:
  raw_reader(std::string_view bytes, const wire_limits& limits) : in_(bytes), limits_(limits) {}

  result<raw_error> read() && {
    while (in_.next()) take_field();
    if (too_many_layers_) return too_large(limits_.layers, "layers");
    if (too_many_parts_) return too_large(limits_.parts, "fields and frames");
    if (!in_.ok()) return malformed("its fields cannot be read");
    return std::move(out_);
  }

 private:
  void take_field() {
    switch (in_.tag()) {
      case bytes_tag(Error::kLayersFieldNumber): take_layer(in_.bytes()); break;
      case bytes_tag(Error::kBelowFieldNumber): take_packed(out_.below); break;
      case number_tag(Error::kBelowFieldNumber): take_number(out_.below, in_.number()); break;
      case bytes_tag(Error::kElidedFieldNumber): take_packed(out_.elided); break;
      case number_tag(Error::kElidedFieldNumber): take_number(out_.elided, in_.number()); break;
      case bytes_tag(Error::kLeftOutFieldNumber): take_packed(out_.left_out); break;
      case number_tag(Error::kLeftOutFieldNumber): take_number(out_.left_out, in_.number()); break;
      case bytes_tag(Error::kShortCodeFieldNumber): out_.short_code = in_.text(); break;
      default: out_.unknown += in_.skip();
    }
  }

  void take_layer(std::string_view bytes) {
    const std::optional<layer_facts> facts = internal::scan_layer(bytes);
    if (!facts || !in_.ok()) return in_.fail();
    parts_ += facts->fields + facts->frames;
    too_many_parts_ = parts_ > limits_.parts;
    too_many_layers_ = out_.layers.size() == limits_.layers;
    if (too_many_parts_ || too_many_layers_) return in_.fail();
    out_.layers.push_back({bytes, *facts});
  }

  void take_packed(std::vector<std::uint32_t>& list) {
    const std::string_view bytes = in_.bytes();
    if (!in_.ok()) return;
    google::protobuf::io::CodedInputStream numbers(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                                   static_cast<int>(bytes.size()));
    while (in_.ok() && numbers.CurrentPosition() < static_cast<int>(bytes.size())) {
      std::uint32_t number = 0;
      if (!numbers.ReadVarint32(&number)) return in_.fail();
      take_number(list, number);
    }
  }

  void take_number(std::vector<std::uint32_t>& list, std::uint32_t number) {
    too_many_layers_ = list.size() == limits_.layers;
    if (too_many_layers_) return in_.fail();
    list.push_back(number);
  }

  proto_reader in_;
  const wire_limits& limits_;
  raw_error out_;
  std::size_t parts_ = 0;
  bool too_many_layers_ = false;
  bool too_many_parts_ = false;
};

std::uint32_t at_or_0(const std::vector<std::uint32_t>& list, std::size_t i) noexcept {
  return i < list.size() ? list[i] : 0;
}

// Puts the layers together, innermost first.
result<error> build(const raw_error& raw) {
  const std::size_t count = raw.layers.size();
  if (!raw.below.empty() && raw.below.size() != count) return malformed("it does not say of each layer what is below");
  if (raw.elided.size() > count || raw.left_out.size() > count)
    return malformed("it speaks of more layers than it has");
  std::vector<error> done;  // the parts of the tree that nothing is around yet, the leftmost last
  for (std::size_t i = count; i-- > 0;) {
    const std::size_t below = raw.below.empty() ? (i + 1 < count ? 1 : 0) : raw.below[i];
    if (below > done.size()) return malformed("a layer stands above more than there is");
    std::optional<layer_data> layer = internal::decode_layer(raw.layers[i].bytes, raw.layers[i].facts);
    if (!layer) return malformed("a layer cannot be read");
    layer->received = internal::pack_received({raw.layers[i].bytes, i == 0 ? std::string_view(raw.unknown) : ""});
    layer->left_out = std::min<std::size_t>(at_or_0(raw.left_out, i), internal::most_counted);
    const std::uint32_t elided = at_or_0(raw.elided, i);
    const std::string code = i == 0 ? normalise_code(raw.short_code).value_or("") : "";  // goes to the outermost layer
    if (elided == 0) layer->short_code = code;
    error made;
    if (below == 0 || (below == 1 && layer->left_out == 0)) {
      error inner;
      if (below == 1) {
        inner = std::move(done.back());
        done.pop_back();
      }
      made = add_layer(std::move(inner), *std::move(layer));
    } else {
      std::vector<error> causes;
      causes.reserve(below);
      for (; causes.size() < below; done.pop_back()) causes.push_back(std::move(done.back()));
      made = add_layer(std::move(causes), *std::move(layer));
    }
    if (elided > 0) {
      layer_data elision = internal::elision_of(elided);
      elision.short_code = code;
      made = add_layer(std::move(made), std::move(elision));
    }
    done.push_back(std::move(made));
  }
  if (done.size() != 1) return malformed("not every layer stands below the first one");
  return std::move(done.back());
}

}  // namespace

result<error> decode_error(std::span<const std::byte> bytes, const wire_options& options) {
  const wire_limits limits(options.max_bytes);
  if (bytes.size() > limits.bytes) return too_large(limits.bytes, "bytes");
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  TANDEM_TRY_ASSIGN(const raw_error raw, raw_reader(text, limits).read());
  if (raw.layers.empty()) {
    if (!raw.below.empty() || !raw.elided.empty() || !raw.left_out.empty()) return malformed("it has no layers");
    return error();
  }
  return build(raw);
}

}  // namespace tandem
