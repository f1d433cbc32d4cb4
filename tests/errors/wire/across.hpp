// Sends errors to another process that is this one.
#pragma once
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <tandem/errors/format.hpp>
#include <tandem/errors/wire.hpp>

namespace tandem::testing {

inline constexpr wire_options to_node{.node = "n1", .audience = wire_audience::node};

[[nodiscard]] inline result<error> decode(std::string_view bytes, const wire_options& options = {}) {
  return decode_error(std::as_bytes(std::span(bytes)), options);
}

/// What arrives of `e`; no error, and a failed test, if it cannot be read.
[[nodiscard]] inline error across(const error& e, const wire_options& options = to_node) {
  const std::string bytes = encode_error(e, options);
  EXPECT_LE(bytes.size(), options.max_bytes);
  result<error> got = decode(bytes, {.max_bytes = options.max_bytes});
  if (got) return *std::move(got);
  ADD_FAILURE() << fmt::format("{}", got.error());
  return {};
}

}  // namespace tandem::testing
