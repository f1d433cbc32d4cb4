#include <tandem/errors/format.hpp>

#include <algorithm>
#include <iterator>
#include <ostream>
#include <span>
#include <vector>

#include <fmt/format.h>

#include <tandem/errors/exception.hpp>
#include <tandem/errors/layer.hpp>
#include <tandem/errors/short_code.hpp>

#include "coroutine_name.hpp"
#include "printable.hpp"

namespace tandem {
namespace {

using internal::printable;
using internal::readable_function;

// The lines of "{:+}". Causes of a join hang on a tree; no recursion, as joins nest as deep as somebody made them.
class long_text {
 public:
  explicit long_text(const error& e) : text_(to_string(e)) {
    layer_view layer = e.first_layer();
    while (layer) {
      append(layer);
      layer = below(layer);
    }
  }

  std::string take() && { return std::move(text_); }

 private:
  // A join whose causes are being written.
  struct branch {
    std::span<const error> causes;
    std::size_t next;
    std::size_t left_out;
    std::size_t margin;  // length of margin_ outside of it
  };

  // Deeper joins are not indented further: what is as wide as it is deep would be quadratic to write.
  static constexpr std::size_t deepest_margin = 16;

  void line(std::string_view indent, std::string_view content) {
    text_ += '\n';
    text_ += lead_.empty() ? margin_ : lead_;
    lead_.clear();
    text_.append(indent).append(content);
  }

  void append(const layer_view& layer) {
    std::string head = printable(layer.message());
    if (!layer.causes().empty()) {
      if (!head.empty()) head += ", ";
      head += fmt::format("{} causes", layer.causes().size() + layer.left_out());
    }
    const std::string own_code = fmt::format("{}{}{}", printable(layer.kind_key()), layer.kind_key().empty() ? "" : " ",
                                             layer.code());
    if (layer.has_own_code()) head += (head.empty() ? "[" : " [") + own_code + "]";
    line("", head);
    if (!layer.file().empty()) {
      const std::string function = readable_function(std::string(layer.function()));
      line("  ", fmt::format("at {}{}({}:{})", printable(function), function.empty() ? "" : " ", printable(layer.file()), layer.line()));
    }
    if (!layer.node().empty()) line("  ", "on " + printable(layer.node()));
    for (const error_field& field : layer.fields()) {
      line("  ", printable(field.key) + "=" + (field.sensitive ? "(sensitive)" : printable(field.value)));
    }
    if (layer.has_stack()) append_stack(layer.frames());
  }

  // Frames that this stack has in common with the one printed last are not repeated.
  void append_stack(std::vector<std::string> frames) {
    const auto ends = std::ranges::mismatch(frames.rbegin(), frames.rend(), last_.rbegin(), last_.rend());
    const auto common = static_cast<std::size_t>(ends.in1 - frames.rbegin());
    const std::size_t own = frames.size() - common;
    line("  ", "stack:");
    for (std::size_t i = 0; i < own; ++i) line("    ", fmt::format("{} {}", i, printable(frames[i])));
    if (common > 0) line("    ", fmt::format("… {} {} as above", common, common == 1 ? "frame" : "frames"));
    last_ = std::move(frames);
  }

  // The layer to print after this one; opens and closes branches on the way.
  layer_view below(const layer_view& layer) {
    if (!layer.causes().empty()) {
      open_.push_back({layer.causes(), 0, layer.left_out(), margin_.size()});
      return next_cause();
    }
    if (const layer_view inner = layer.next()) return inner;
    return next_cause();
  }

  layer_view next_cause() {
    while (!open_.empty()) {
      branch& join = open_.back();
      margin_.resize(join.margin);
      const bool indent = open_.size() <= deepest_margin;
      if (join.next < join.causes.size()) {
        const error& cause = join.causes[join.next++];
        const bool last = join.next == join.causes.size() && join.left_out == 0;
        if (indent) {
          lead_ = margin_ + (last ? "└─ " : "├─ ");
          margin_ += last ? "   " : "│  ";
        }
        return cause.first_layer();
      }
      if (join.left_out > 0) line(indent ? "└─ " : "", fmt::format("and {} more", join.left_out));
      open_.pop_back();
    }
    return {};
  }

  std::string text_;
  std::string margin_ = "  ";
  std::string lead_;  // replaces the margin of the next line
  std::vector<branch> open_;
  std::vector<std::string> last_;  // the stack printed last
};

}  // namespace

namespace {

// With a blank before it; nothing where libcrypto refuses MD5, as an error must be printable everywhere.
std::string code_to_show(const error& e) {
  try {
    return " " + short_code(e);
  } catch (const error_exception&) {
    return {};
  }
}

}  // namespace

std::string to_string(const error& e) {
  if (!e) return "no error";
  std::string text = printable(e.message());
  text += " [";
  if (const std::string_view key = e.kind_key(); !key.empty()) text += printable(key) + " ";
  fmt::format_to(std::back_inserter(text), "{}{}]", e.code(), code_to_show(e));
  return text;
}

std::string to_long_string(const error& e) { return long_text(e).take(); }

std::ostream& operator<<(std::ostream& out, const error& e) { return out << to_string(e); }

}  // namespace tandem
