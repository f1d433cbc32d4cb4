// Four characters that stand for an error's text: what a stranger may see, and what an operator can look up.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <tandem/errors/error.hpp>
#include <tandem/errors/result.hpp>

namespace tandem {

/// The code of a text: always four of the characters 0-9 and A-Z without I and O, at most MH33. Equal texts have equal
/// codes, in every process and every release; different texts share one with a chance of about one in a million.
///
/// It is MD5, of which the first four bytes, big-endian, modulo 2^20, are written in base 36, padded to four digits,
/// O as 0 and I as 1. MD5 serves as a checksum here, not for security. set_code_hash() replaces it.
/// Errors: throws error_exception (errc::unimplemented) if libcrypto was set up to refuse MD5.
[[nodiscard]] std::string short_code(std::string_view text);

/// The code of the error: that of its kind_key() if there is a kind in the chain, whatever the messages say; otherwise
/// that of its message(). An error from another node keeps the code it had there until something is wrapped around it, also
/// if texts were cut or layers elided on the way.
[[nodiscard]] std::string short_code(const error& e);

/// A code as a person types it, in the form short_code() gives: lower case is accepted, o and O are read as 0, and i, I
/// and l as 1.
///
/// A lower-case l is taken for the digit, so a code with an L must be typed with a capital one.
/// Errors: errc::invalid_argument for what no text can have as its code, blanks around it included; the message is
///         advice for the person who typed.
[[nodiscard]] result<std::string> normalise_code(std::string_view typed);

/// What may stand in for MD5: the same number for the same bytes, always and everywhere codes are compared. The lowest
/// 20 bits are used.
using code_hash = std::uint32_t (*)(std::string_view text);

/// Makes short_code() use `hash` in this process; null brings MD5 back. For programs whose codes must agree with those
/// of another system, or whose libcrypto refuses MD5. Call it at start-up, before the first runtime is made and before
/// a code was given out: codes that are already known to somebody would mean something else afterwards.
///
/// A text for which `hash` throws gets its code from MD5, as reporting an error must not fail.
/// Threads: any; `hash` is called by many at once.
void set_code_hash(code_hash hash) noexcept;

}  // namespace tandem
