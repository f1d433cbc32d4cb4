#include "shorten.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <tandem/errors/layer.hpp>

#include "layer.hpp"

namespace tandem::internal {
namespace {

std::size_t bytes_held(const foreign_texts& texts) {
  std::size_t bytes = sizeof(foreign_texts) + texts.file.capacity() + texts.function.capacity() +
                      texts.node.capacity() + texts.kind_key.capacity() + texts.received.capacity() +
                      texts.frames.capacity() * sizeof(std::string);
  for (const std::string& frame : texts.frames) bytes += frame.capacity();
  return bytes;
}

std::size_t bytes_held(const layer& l) {
  std::size_t bytes = sizeof(layer) + (std::size_t{l.call_count} + l.awaiter_count) * sizeof(void*) +
                      l.message.capacity() + l.fields.capacity() * sizeof(error_field);
  for (const error_field& field : l.fields) bytes += field.key.capacity() + field.value.capacity();
  if (l.extras != nullptr) bytes += sizeof(layer_extras) + l.extras->causes.capacity() * sizeof(error);
  if (l.foreign() != nullptr) bytes += bytes_held(*l.foreign());
  return bytes;
}

// What texts may still take.
class text_budget {
 public:
  explicit text_budget(std::size_t bytes) : left_(bytes) {}

  // At most `most` bytes of `text`, whole characters of UTF-8, with a note of what was cut if there is room for one.
  std::string take(std::string_view text, std::size_t most) {
    constexpr std::size_t room_for_note = 40;
    most = std::min(most, left_);
    std::string kept;
    if (text.size() <= most) {
      kept = text;
    } else {
      std::size_t end = most > room_for_note ? most - room_for_note : 0;
      while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
      kept = text.substr(0, end);
      if (most >= room_for_note) kept += fmt::format("... ({} bytes cut)", text.size() - end);
    }
    left_ -= std::min(left_, kept.capacity());
    return kept;
  }
  std::string take(std::string_view text) { return take(text, left_); }

  // Takes `bytes` for something else; false if there are not as many.
  bool take(std::size_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }

  std::size_t left() const { return left_; }

 private:
  std::size_t left_;
};

// What the smallest layer of layer_data needs, empty texts included.
constexpr std::size_t bare_layer_bytes = sizeof(layer) + sizeof(layer_extras) + sizeof(foreign_texts) +
                                         6 * sizeof(std::string) + sizeof(error);
constexpr std::size_t field_bytes = 2 * sizeof(error_field);  // a growing vector has up to twice what it needs
constexpr std::size_t frame_bytes = 2 * sizeof(std::string);
constexpr std::size_t share_bytes = 1024;  // what a layer gets at least, its frames aside
constexpr std::size_t name_bytes = 96;     // the most of a file's, function's, node's or kind's name
static_assert(bare_layer_bytes + 2 * name_bytes < share_bytes);

void add_fields(layer_data& data, std::span<const error_field> fields, text_budget& texts) {
  for (const error_field& field : fields) {
    if (!texts.take(field_bytes)) break;
    error_field& kept = data.fields.emplace_back();
    kept.key = texts.take(field.key, name_bytes);
    kept.value = texts.take(field.value);
    kept.sensitive = field.sensitive;
  }
}

layer_data cut(const layer_view& whole, std::size_t share, text_budget& frames) {
  layer_data data;
  text_budget texts(share - bare_layer_bytes);
  if (whole.has_own_code()) data.code = whole.code();
  data.line = whole.line();
  data.kind_key = texts.take(whole.kind_key(), name_bytes);
  // Half for the message if fields follow, which are the occasion's details.
  data.message = texts.take(whole.message(), whole.fields().empty() ? texts.left() * 3 / 4 : texts.left() / 2);
  data.file = texts.take(whole.file(), name_bytes);
  data.function = texts.take(whole.function(), name_bytes);
  data.node = texts.take(whole.node(), name_bytes);
  add_fields(data, whole.fields(), texts);
  if (whole.has_stack() && frames.left() > frame_bytes) {
    for (const std::string& frame : whole.frames()) {
      if (!frames.take(frame_bytes)) break;
      data.frames.push_back(frames.take(frame, 4 * name_bytes));
    }
  }
  data.left_out = whole.left_out() + (whole.causes().empty() ? 0 : whole.causes().size() - 1);
  return data;
}

// A join stays one, with the causes that are gone counted.
error put_around(error inner, const layer_view& whole, layer_data layer) {
  if (whole.causes().empty()) return add_layer(std::move(inner), std::move(layer));
  std::vector<error> cause;
  cause.push_back(std::move(inner));
  return add_layer(std::move(cause), std::move(layer));
}

layer_data note_of_left_out(std::size_t layers) {
  layer_data data;
  data.message = fmt::format("({} layers left out)", layers);
  return data;
}

// The layers from the outermost to the first root.
std::vector<layer_view> path_to_root(const error& e) {
  std::vector<layer_view> path;
  for (layer_view at = e.first_layer(); at; at = at.causes().empty() ? at.next() : at.causes()[0].first_layer()) {
    path.push_back(at);
  }
  return path;
}

}  // namespace

std::size_t bytes_held(const error& e, std::size_t enough) {
  std::size_t bytes = 0;
  for (layer_walk at(e); at && bytes <= enough; at.advance()) bytes += bytes_held(*at);
  return bytes;
}

error shorten(const error& e, std::size_t budget) {
  const std::vector<layer_view> path = path_to_root(e);
  // Half for the layers, of which one may be the note of what is left out; half for the frames of stacks.
  const std::size_t room = budget / 2 / share_bytes;
  const bool all_fit = path.size() <= room;
  const std::size_t kept = all_fit ? path.size() : room;
  const std::size_t share = (budget / 2 - (all_fit ? 0 : bare_layer_bytes)) / kept;
  const std::size_t outer = (kept + 1) / 2;
  const std::size_t inner = kept - outer;
  text_budget frames(budget / 2);

  error made;
  for (std::size_t i = path.size(); i-- > 0;) {
    if (i >= path.size() - inner || i < outer) made = put_around(std::move(made), path[i], cut(path[i], share, frames));
    else if (i == outer) made = add_layer(std::move(made), note_of_left_out(path.size() - kept));
  }
  return made;
}

}  // namespace tandem::internal
