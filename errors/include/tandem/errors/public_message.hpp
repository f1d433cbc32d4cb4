// What a stranger is told about an error: nothing but a code that the people in charge can look up.
#pragma once
#include <string>

#include <tandem/errors/error.hpp>

namespace tandem {

/// All that a stranger is told: a text fixed beforehand and the short code, "internal error, code 30EV". The text is
/// the public_text() that is declared for the kind of the error (error::kind_key()), or else that of set_public_text(),
/// without its full stop. Messages, fields, sites and nodes of the error do not get out. "no error" for no error.
///
/// Records the error in process_journal(), so that the code can be looked up (code_journal.hpp). The journal has the latest
/// error of each code: to find one occasion of several, log the error too, with a request id in a field.
/// Threads: any.   Errors: as short_code().
[[nodiscard]] std::string public_message(const error& e);

/// Sets what public_message() tells of errors without a text of their own, in this process; the default, which an empty
/// text brings back, is "internal error".
/// Threads: any.
void set_public_text(std::string text);

}  // namespace tandem
