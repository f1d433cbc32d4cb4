#include <tandem/errors/wire.hpp>

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include <tandem/errors/public_message.hpp>
#include <tandem/errors/short_code.hpp>
#include <tandem/errors/v1/error.pb.h>

#include "layer_codec.hpp"
#include "limits.hpp"
#include "outline.hpp"
#include "proto_writer.hpp"
#include "received.hpp"
#include "utf8.hpp"

namespace tandem {
namespace {

using errors::v1::Error;
using internal::candidate;
using internal::encoded_layer;
using internal::nowhere;
using internal::wire_limits;

// What a layer may take besides its bytes: their tag and length, a code, its entries in the lists outside.
constexpr std::size_t layer_overhead = 6 + 3 + 3 + 4 + 4;
// The tags and lengths of those lists.
constexpr std::size_t list_overhead = 3 * 6;
constexpr std::size_t short_code_room = 6;

// Chooses which layers to send, and in which form, until the room is used up.
class selection {
 public:
  selection(const std::vector<candidate>& all, std::string_view node, const wire_limits& limits, std::size_t room)
      : all_(all), node_(node), limits_(limits), room_(room), forms_(all.size()) {
    keep_ends();
    keep_roots();
    keep_others();
  }

  // The number of roots, from the left, that are sent.
  [[nodiscard]] std::size_t roots() const noexcept { return roots_; }
  [[nodiscard]] bool has(std::size_t i) const noexcept { return forms_[i].kept; }
  [[nodiscard]] std::string take(std::size_t i) noexcept { return std::move(forms_[i].layer.bytes); }

 private:
  struct form {
    encoded_layer layer;
    bool kept = false;
    bool whole = false;
  };

  // The outermost layer and the leftmost root; without stack and site, if need be.
  void keep_ends() {
    const auto root = static_cast<std::size_t>(std::ranges::find_if(all_, &candidate::is_root) - all_.begin());
    roots_ = 1;
    keep(0, internal::encode_briefly(all_[0].layer, node_, limits_), false);
    keep(root, internal::encode_briefly(all_[root].layer, node_, limits_), false);
    make_whole(root);
    make_whole(0);
  }

  // The other roots, and the joins above them; first something of each.
  void keep_roots() {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (!all_[i].ends_branch) continue;
      const bool fits = has(i) || keep(i, internal::encode_briefly(all_[i].layer, node_, limits_), false);
      if (!all_[i].is_root()) continue;
      if (!fits) break;
      roots_ = all_[i].first_root + 1;
    }
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (!has(i)) continue;
      if (all_[i].first_root >= roots_) give_up(i);  // a join of nothing
      else make_whole(i);
    }
  }

  // The layers between.
  void keep_others() {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < all_.size(); ++i)
      if (!has(i) && all_[i].first_root < roots_) order.push_back(i);
    std::ranges::sort(order, {}, [&](std::size_t i) { return std::tuple(!all_[i].has_identity, all_[i].rank, i); });
    for (const std::size_t i : order)
      if (!keep(i, internal::encode_layer(all_[i].layer, node_, limits_), true) &&
          !keep(i, internal::encode_briefly(all_[i].layer, node_, limits_), false))
        return;
  }

  bool keep(std::size_t i, encoded_layer layer, bool whole) {
    form& mine = forms_[i];
    if (mine.kept && mine.whole >= whole) return true;
    const std::size_t more = layer.bytes.size() + layer_overhead;
    const std::size_t now = mine.kept ? mine.layer.bytes.size() + layer_overhead : 0;
    if (used_ - now + more > room_ || parts_ - mine.layer.parts + layer.parts > limits_.parts ||
        (!mine.kept && layers_ == limits_.layers))
      return false;
    used_ = used_ - now + more;
    parts_ = parts_ - mine.layer.parts + layer.parts;
    layers_ += mine.kept ? 0 : 1;
    mine = {std::move(layer), true, whole};
    return true;
  }

  void make_whole(std::size_t i) { keep(i, internal::encode_layer(all_[i].layer, node_, limits_), true); }

  void give_up(std::size_t i) {
    used_ -= forms_[i].layer.bytes.size() + layer_overhead;
    parts_ -= forms_[i].layer.parts;
    --layers_;
    forms_[i] = {};
  }

  const std::vector<candidate>& all_;
  const std::string_view node_;
  const wire_limits& limits_;
  const std::size_t room_;
  std::vector<form> forms_;
  std::size_t used_ = 0;
  std::size_t layers_ = 0;
  std::size_t parts_ = 0;
  std::size_t roots_ = 0;
};

// The lists of v1.Error, for the layers that are sent.
struct placement {
  std::vector<std::size_t> sent;  // indices of candidates
  std::vector<std::size_t> below;
  std::vector<std::size_t> elided;
  std::vector<std::size_t> left_out;
};

placement place(const std::vector<candidate>& all, const selection& chosen) {
  placement out;
  // For each candidate, the sent layer that it is or that is around it, and the layers not sent between that and what
  // is below, until the first layer below that is sent takes them over.
  std::vector<std::size_t> at(all.size(), nowhere);
  std::vector<std::size_t> missing(all.size(), 0);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const candidate& c = all[i];
    const std::size_t parent = c.around == nowhere ? nowhere : at[c.around];
    if (c.first_root >= chosen.roots()) {
      at[i] = parent;
      if (c.is_root()) ++out.left_out[parent];
      out.left_out[parent] += c.layer.left_out();
      continue;
    }
    std::size_t elided = c.skipped;
    if (c.around != nowhere) elided += std::exchange(missing[c.around], 0);
    if (chosen.has(i)) {
      if (parent != nowhere) ++out.below[parent];
      at[i] = out.sent.size();
      out.sent.push_back(i);
      out.below.push_back(0);
      out.elided.push_back(elided);
      out.left_out.push_back(c.layer.left_out());
    } else {
      at[i] = parent;
      missing[i] = elided + 1;
      out.left_out[parent] += c.layer.left_out();
    }
  }
  return out;
}

void put_list(std::string& out, int field, std::vector<std::size_t> numbers, bool trim) {
  while (trim && !numbers.empty() && numbers.back() == 0) numbers.pop_back();
  if (numbers.empty()) return;
  std::string packed;
  for (const std::size_t number : numbers) internal::put_varint(packed, std::min(number, internal::most_counted));
  internal::put_bytes(out, field, packed);
}

bool is_chain(const placement& layers) {
  for (std::size_t i = 0; i < layers.below.size(); ++i)
    if (layers.below[i] != (i + 1 < layers.below.size() ? 1 : 0)) return false;
  return true;
}

// What earlier nodes did not know of v1.Error, as far as there is room.
std::string unknown_fields(const std::vector<candidate>& all, const wire_limits& limits) {
  std::string unknown;
  for (const candidate& c : all) {
    const auto received = internal::received_by(c.layer);
    if (received && unknown.size() + received->unknown.size() <= limits.unknown_fields) unknown += received->unknown;
  }
  return unknown;
}

std::string encode_tree(const error& e, std::string_view node, const wire_limits& limits) {
  const std::vector<candidate> all = internal::outline_of(e, limits);
  const std::string unknown = unknown_fields(all, limits);
  selection chosen(all, node, limits, limits.bytes - unknown.size() - list_overhead - short_code_room);
  const placement layers = place(all, chosen);

  std::string out;
  for (std::size_t i = 0; i < layers.sent.size(); ++i) {
    const layer_view& layer = all[layers.sent[i]].layer;
    std::string bytes = chosen.take(layers.sent[i]);
    // The far side must not take the code from further below than it comes from here.
    const bool takes_code = !layer.has_own_code();
    if (takes_code && layer.code() != all[layers.sent[i + 1]].layer.code()) internal::append_code(bytes, layer.code());
    internal::put_bytes(out, Error::kLayersFieldNumber, bytes);
  }
  if (!is_chain(layers)) put_list(out, Error::kBelowFieldNumber, layers.below, false);
  put_list(out, Error::kElidedFieldNumber, layers.elided, true);
  put_list(out, Error::kLeftOutFieldNumber, layers.left_out, true);
  internal::put_text(out, Error::kShortCodeFieldNumber, short_code(e));
  return out += unknown;
}

std::string encode_for_stranger(const error& e, const wire_limits& limits) {
  using errors::v1::Layer;
  std::string layer;
  internal::put_text(layer, Layer::kMessageFieldNumber, internal::as_utf8(public_message(e), limits.message));
  internal::append_code(layer, e.code());
  std::string out;
  internal::put_bytes(out, Error::kLayersFieldNumber, layer);
  internal::put_text(out, Error::kShortCodeFieldNumber, short_code(e));
  return out;
}

}  // namespace

std::string encode_error(const error& e, const wire_options& options) {
  const wire_limits limits(options.max_bytes);
  if (!e) return {};
  if (options.audience == wire_audience::stranger) return encode_for_stranger(e, limits);
  return encode_tree(e, options.node, limits);
}

}  // namespace tandem
