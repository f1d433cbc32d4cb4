// Errors as bytes, for other processes: proto/tandem/errors/v1/error.proto says what the bytes mean.
//
//   const std::string bytes = encode_error(e, {.node = "storage-1", .audience = wire_audience::node});
//
//   const result<error> far = decode_error(std::as_bytes(std::span(bytes)));
//   if (!far) log(far.error());   // the bytes are no error
//   else if (*far) use(*far);     // the error; none for no bytes
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <tandem/errors/error.hpp>
#include <tandem/errors/result.hpp>

namespace tandem {

/// Who will read an error.
enum class wire_audience {
  stranger,  ///< Anyone: gets the errc and public_message() (which journals it), in one layer without a kind.
  node,      ///< A peer that has authenticated as a node: gets the whole tree.
};

struct wire_options {
  /// The size that encode_error() keeps to and above which decode_error() refuses; less than 1 KiB is taken as 1 KiB.
  std::size_t max_bytes = std::size_t{16} << 10;
  /// This process, for layers that do not say which one added them; at most 64 bytes of it are sent.
  std::string_view node = {};
  wire_audience audience = wire_audience::stranger;
};

/// The error as a tandem.errors.v1.Error of at most max_bytes; no error gives no bytes. Looks up the names of stack
/// frames.
///
/// Where not everything fits, the outermost layer and the leftmost root stay, if need be without stack, fields and
/// site; then as many of the other roots, and of the joins above them, as there is room for; then layers with a code or
/// a kind of their own; then the others, outermost and innermost in turn. What is missing is counted, and the reader is
/// told how many and where. The code() of every layer that arrives is what it was here; is() does not find what was in
/// missing layers.
///
/// Texts are cut with "…" at an eighth of max_bytes or less, between characters; bytes that are no UTF-8 become U+FFFD.
/// The values of sensitive fields and payloads are not sent. Layers that came from decode_error() go on as the bytes
/// they came in, with the fields added since.
/// Memory: a small multiple of max_bytes, 1 KiB for each root and join, and the message() for the short code.
/// Time: linear in the number of layers.
[[nodiscard]] std::string encode_error(const error& e, const wire_options& options = {});

/// The error again, with what the sender knew of sites, stacks and nodes; of `options` only max_bytes counts. Where
/// layers were elided stands one that says how many. Sensitive fields have the value "(redacted)". Codes that are
/// unknown here read errc::unknown, and go on as they came when the error is encoded again.
///
/// Kinds, codes and the short code are what the sender claims.
///
/// Bytes from anywhere will do: time is linear in their number, and memory less than 32 * max_bytes.
/// Errors: why the bytes are not an error: errc::invalid_argument if there is more than max_bytes allows,
/// errc::data_loss if they are malformed. No bytes give no error.
[[nodiscard]] result<error> decode_error(std::span<const std::byte> bytes, const wire_options& options = {});

}  // namespace tandem
