// result<T>: a T or an error. fail() makes the error side, TANDEM_TRY passes it on in one line.
//
//   result<config> load(const std::string& path) {
//     if (path.empty()) return fail(errc::invalid_argument, "empty path");
//     TANDEM_TRY_ASSIGN(auto text, read_file(path));
//     TANDEM_TRY(check(text));
//     return parse(text);
//   }
//
// In a task, `co_await or_return(x)` of tandem/runtime/or_return.hpp is an expression that does the same.
#pragma once
#include <expected>
#include <source_location>
#include <string>
#include <utility>

#include <tandem/errors/error.hpp>

namespace tandem {

/// The outcome of anything that can fail in an expected way. The error side holds an error unless that was moved out.
/// g++ 12 does not warn if one is dropped: declare functions that return it [[nodiscard]].
template <class T>
using result = std::expected<T, error>;

/// What to return for a failure: `return fail(wrap(std::move(e), "cannot load"));`. No error becomes errc::internal.
[[nodiscard]] inline std::unexpected<error> fail(error e) {
  if (!e) e = make_error(errc::internal, "fail() was given no error");
  return std::unexpected<error>(std::move(e));
}

/// fail(make_error(...)): `return fail(errc::not_found, fmt::format("no user {}", id));`.
[[nodiscard]] inline std::unexpected<error> fail(errc code, message_text message,
                                                 std::source_location where = std::source_location::current()) {
  return std::unexpected<error>(make_error(code, std::move(message), where));
}
[[nodiscard]] inline std::unexpected<error> fail(const kind& which, message_text message,
                                                 std::source_location where = std::source_location::current()) {
  return std::unexpected<error>(make_error(which, std::move(message), where));
}

/// fail(which, its key): `return fail(no_such_user);`.
[[nodiscard]] inline std::unexpected<error> fail(const kind& which,
                                                 std::source_location where = std::source_location::current()) {
  return std::unexpected<error>(make_error(which, which.key(), where));
}

/// fail(error_of(code)), for frequent outcomes: `return fail(errc::would_block);`. Never allocates.
[[nodiscard]] inline std::unexpected<error> fail(errc code) noexcept { return std::unexpected<error>(error_of(code)); }

}  // namespace tandem

/// Evaluates an expression that yields a result<…>; on error returns that error from the enclosing function, which
/// returns a result<…> itself. The value is dropped: to keep it, use TANDEM_TRY_ASSIGN. A named result that cannot be
/// copied is passed with std::move. In coroutines, use TANDEM_CO_TRY.
#define TANDEM_TRY(...) TANDEM_DETAIL_TRY(TANDEM_DETAIL_TRY_NAME(__LINE__), return, __VA_ARGS__)

/// TANDEM_TRY for coroutines; the expression may hold a co_await: `TANDEM_CO_TRY(co_await tx.send(1));`.
#define TANDEM_CO_TRY(...) TANDEM_DETAIL_TRY(TANDEM_DETAIL_TRY_NAME(__LINE__), co_return, __VA_ARGS__)

/// `decl = value of the expression`, or returns the error: `TANDEM_TRY_ASSIGN(auto text, read_file(path));`. `decl` is
/// a declaration or something assignable, without a comma outside parentheses: to take the value apart, bind it to a
/// name first. Expands to several statements: use it in a block, once per line.
#define TANDEM_TRY_ASSIGN(decl, ...) \
  TANDEM_DETAIL_TRY_ASSIGN(TANDEM_DETAIL_TRY_NAME(__LINE__), return, decl, __VA_ARGS__)

/// TANDEM_TRY_ASSIGN for coroutines: `TANDEM_CO_TRY_ASSIGN(int value, co_await rx.recv());`.
#define TANDEM_CO_TRY_ASSIGN(decl, ...) \
  TANDEM_DETAIL_TRY_ASSIGN(TANDEM_DETAIL_TRY_NAME(__LINE__), co_return, decl, __VA_ARGS__)

// The result is bound to a variable of its own before anything else happens to it: g++ 12 destroys temporaries twice
// in larger expressions that hold a co_await.
#define TANDEM_DETAIL_TRY(name, give, ...)                            \
  do {                                                                \
    auto name = (__VA_ARGS__);                                        \
    if (!name) give ::tandem::fail(std::move(name).error());          \
  } while (false)

#define TANDEM_DETAIL_TRY_ASSIGN(name, give, decl, ...)               \
  auto name = (__VA_ARGS__);                                          \
  if (!name) give ::tandem::fail(std::move(name).error());            \
  decl = *std::move(name)

#define TANDEM_DETAIL_TRY_NAME(line) TANDEM_DETAIL_TRY_PASTE(tandem_try_, line)
#define TANDEM_DETAIL_TRY_PASTE(a, b) a##b
