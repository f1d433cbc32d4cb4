// Four characters that stand for an error's text: what a stranger may see, and what an operator can look up.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include <tandem/errors/error.hpp>

namespace tandem {

/// The code of a text: always four of the characters 0-9 and A-Z without I and O. Equal texts have equal codes, in
/// every process and every release; different texts share one with a chance of one in a million.
///
/// It is MD5, of which the first four bytes, big-endian, modulo 2^20, are written in base 36, padded to four digits,
/// O as 0 and I as 1. MD5 serves as a checksum here, not for security.
/// Errors: throws error_exception (errc::unimplemented) if libcrypto was set up to refuse MD5.
[[nodiscard]] std::string short_code(std::string_view text);

/// The code of the error's message().
[[nodiscard]] std::string short_code(const error& e);

/// A code as a person types it, in the form short_code() gives: lower case is accepted, o and O are read as 0, and i, I
/// and l as 1. None unless it is four letters or digits.
///
/// A lower-case l is taken for the digit, so a code with an L must be typed with a capital one.
[[nodiscard]] std::optional<std::string> normalise_code(std::string_view typed);

/// All that a stranger is told: "internal error, code 30EV"; "no error" for no error.
[[nodiscard]] std::string public_message(const error& e);

}  // namespace tandem
