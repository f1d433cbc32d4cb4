// Looking inside an error: the layers of a chain, for printing and for wire encoding; and rebuilding a chain that came
// from another process.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tandem/errors/error.hpp>

namespace tandem {

struct error_field {
  std::string key;
  std::string value;
  bool sensitive = false;  // the value must not leave the process
  friend bool operator==(const error_field&, const error_field&) = default;
};

/// One layer of an error, read only:
///
///   for (layer_view layer = e.first_layer(); layer; layer = layer.next()) use(layer.message());
///
/// Everything but `operator bool` requires a layer.
/// Owns: nothing. The view, and what its members return, live as long as the chain and the error they came from.
class layer_view {
 public:
  constexpr layer_view() noexcept = default;

  /// False past the innermost layer.
  explicit operator bool() const noexcept { return node_ != nullptr; }
  /// The layer this one wraps; none below a root, and none below a join, which has causes() instead.
  [[nodiscard]] layer_view next() const noexcept;
  /// The errors that this layer joins; none if it is no join.
  [[nodiscard]] std::span<const error> causes() const noexcept;
  /// How many more errors would have been among causes(), or below them, had there been room; 2^32 - 1 for more than
  /// that.
  [[nodiscard]] std::size_t left_out() const noexcept;

  /// The layer's own text; may be empty.
  [[nodiscard]] std::string_view message() const noexcept;
  /// The layer's own code, or the one it takes from what it wraps.
  [[nodiscard]] errc code() const noexcept;
  /// True if the code is the layer's own.
  [[nodiscard]] bool has_own_code() const noexcept;

  /// The key of the layer's own kind; empty if it has none.
  [[nodiscard]] std::string_view kind_key() const noexcept;

  /// Where the layer was added; empty and 0 if unknown.
  [[nodiscard]] std::string_view file() const noexcept;
  [[nodiscard]] std::string_view function() const noexcept;
  [[nodiscard]] std::uint32_t line() const noexcept;
  /// The bytes that the layer was received as; empty for layers of this process.
  [[nodiscard]] std::string_view received() const noexcept;
  /// The short code that came with the layer; empty unless it is the outermost of an error that was received.
  [[nodiscard]] std::string_view short_code() const noexcept;
  /// The process that added the layer; empty for this one.
  [[nodiscard]] std::string_view node() const noexcept;

  [[nodiscard]] std::span<const error_field> fields() const noexcept;

  /// True if the layer has a stack.
  [[nodiscard]] bool has_stack() const noexcept;
  /// The stack, one text per frame, innermost first. Looks up names and lines now, which may take a tenth of a second the
  /// first time; the frames of a layer from elsewhere are returned as received.
  [[nodiscard]] std::vector<std::string> frames() const;

  /// Two views are equal if they show the same layer of the same chain.
  friend bool operator==(const layer_view&, const layer_view&) = default;

 private:
  friend class error;
  explicit layer_view(const detail::error_node* node) noexcept : node_(node) {}

  const detail::error_node* node_ = nullptr;
};

/// A layer as text, as it travels between processes.
struct layer_data {
  std::string message;
  std::optional<errc> code;  // none: that of the layer it wraps
  std::string kind_key;      // empty: no kind of its own
  std::string file;
  std::string function;
  std::uint32_t line = 0;
  std::string node;
  std::vector<error_field> fields;
  std::vector<std::string> frames;
  /// The bytes that the layer was received as, kept for whoever sends it on: they may say more than is known here.
  std::string received;
  /// With the outermost layer of a received error: the short code its sender gave, valid as long as nothing is wrapped
  /// around it. Empty: to be computed.
  std::string short_code;
  std::size_t left_out = 0;
};

/// Copies a layer out of its chain, looking up the names of its frames. `node` stays as it is: the sender of a chain
/// fills in its own name where it is empty.
[[nodiscard]] layer_data to_data(layer_view layer);

/// Puts a received layer around `inner`; around no error it starts a chain, with errc::unknown if it has no code.
/// A received chain is rebuilt by adding its layers innermost first.
[[nodiscard]] error add_layer(error inner, layer_data layer);

/// Puts a received layer around several causes: a join, flat or not as it was sent. With fewer than two errors among the
/// causes it is add_layer(). Requires as many roots as join() keeps; more are dropped and counted.
[[nodiscard]] error add_layer(std::vector<error> causes, layer_data layer);

}  // namespace tandem
