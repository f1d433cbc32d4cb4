// result<T>: a T or an error. TANDEM_TRY propagates the error in one line.
#pragma once
#include <expected>
#include <string>
#include <utility>

#include <tandem/errors/error.hpp>

namespace tandem {

/// The outcome of anything that can fail in an expected way.
template <class T>
using result = std::expected<T, error>;

/// What to return for a failure: `return fail(errc::not_found, "no user {}", id);` is written with fmt::format by the
/// caller where arguments are needed.
[[nodiscard]] inline std::unexpected<error> fail(error e) noexcept { return std::unexpected<error>(std::move(e)); }

[[nodiscard]] inline std::unexpected<error> fail(errc code, std::string message,
                                                 std::source_location where = std::source_location::current()) {
  return std::unexpected<error>(make_error(code, std::move(message), where));
}

}  // namespace tandem

/// Evaluates an expression that yields a result<…>; on error returns that error from the enclosing function.
/// TANDEM_TRY is for functions, TANDEM_CO_TRY for coroutines. The value is dropped: to keep it, use the _ASSIGN form.
#define TANDEM_TRY(...)                                                              \
  do {                                                                               \
    if (auto tandem_try_result = (__VA_ARGS__); !tandem_try_result)                  \
      return ::tandem::fail(std::move(tandem_try_result).error());                   \
  } while (false)

#define TANDEM_CO_TRY(...)                                                           \
  do {                                                                               \
    auto tandem_try_result = (__VA_ARGS__);                                          \
    if (!tandem_try_result) co_return ::tandem::fail(std::move(tandem_try_result).error()); \
  } while (false)
