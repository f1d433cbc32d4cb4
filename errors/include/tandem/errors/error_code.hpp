// std::error_code to errors and back.
//
//   std::error_code failed;
//   std::filesystem::remove(path, failed);
//   if (failed) return fail(error_from(failed, "cannot remove " + path.string()));  // not_found for ENOENT, …
#pragma once
#include <source_location>
#include <system_error>
#include <type_traits>

#include <tandem/errors/errc.hpp>
#include <tandem/errors/error.hpp>

namespace tandem {

/// The category of error codes made of an errc; named "tandem", with to_string() for messages.
///
/// A code equals the std::errc conditions whose numbers errc_of() takes for it, e.g. errc::unavailable equals
/// std::errc::connection_refused; errc::deadline_exceeded equals std::errc::timed_out, as errc::timed_out does.
[[nodiscard]] const std::error_category& errc_category() noexcept;

/// Lets an errc be used where a std::error_code is asked for.
[[nodiscard]] std::error_code make_error_code(errc code) noexcept;

/// The errc that names the next move after `code`: the one it was made of, otherwise that of the errno it stands for
/// (ENOENT: not_found; ECONNREFUSED, ECONNRESET, EPIPE: unavailable; ENOMEM, EMFILE, ENOSPC: resource_exhausted;
/// EAGAIN: would_block; EIO: data_loss; …), that of a code of standalone Asio's (the errno; asio::error::eof: closed;
/// host_not_found: not_found; …), errc::unknown for everything else.
[[nodiscard]] errc errc_of(const std::error_code& code) noexcept;

/// Starts a chain for a failed call, with errc_of() its code, the code's message, after `what` if that is not empty,
/// and the stack of the caller. The field "std_error" names the code, e.g. "system:2". Zero, success, gives no error.
///
/// Owns: keeps the code as payload, `e.as<std::error_code>()`.
[[nodiscard]] error error_from(const std::error_code& code, message_text what = "",
                               std::source_location where = std::source_location::current());

/// The code that error_from(), or a std::system_error that from_exception() met, brought into the chain, provided that
/// no layer above made it another errc; otherwise make_error_code() of the error's code(). Zero for no error.
[[nodiscard]] std::error_code to_error_code(const error& e);

}  // namespace tandem

template <>
struct std::is_error_code_enum<tandem::errc> : std::true_type {};
