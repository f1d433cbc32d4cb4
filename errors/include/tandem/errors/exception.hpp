// Exceptions to errors and back, for the borders of code that throws.
//
//   try {
//     parse(text);
//   } catch (...) {
//     return fail(wrap(from_exception(std::current_exception()), "cannot parse"));  // with the stack of the throw
//   }
#pragma once
#include <cstddef>
#include <exception>
#include <source_location>
#include <type_traits>
#include <utility>

#include <tandem/errors/error.hpp>
#include <tandem/errors/result.hpp>

namespace tandem {

/// Carries an error through code that reports by exceptions; from_exception() takes it out again.
class error_exception : public std::exception {
 public:
  explicit error_exception(error e);
  error_exception(const error_exception&) noexcept = default;
  error_exception& operator=(const error_exception&) noexcept = default;
  ~error_exception() override;

  /// The error's message().
  [[nodiscard]] const char* what() const noexcept override;
  [[nodiscard]] const error& get() const noexcept { return error_; }

 private:
  error error_;
  error text_;  // one layer whose message is the text of what(): sharing it keeps copies from throwing
};

/// At most this many exceptions nested in one another become layers; the field "nested" tells that there were more.
inline constexpr std::size_t max_nested_exceptions = 64;

/// The error that an exception stands for; a null pointer gives no error.
///
///   error_exception                          the error inside; errc::internal if it holds none
///   std::bad_alloc                           errc::resource_exhausted
///   std::system_error                        errc_of() its code (error_code.hpp)
///   std::invalid_argument, std::domain_error,
///   std::length_error                        errc::invalid_argument
///   std::out_of_range                        errc::out_of_range
///   anything else                            errc::internal
///
/// The message is the exception's type and what(), the stack that of the place which threw it first, or that of the
/// caller where it is not known (set_throw_stacks). A std::nested_exception becomes a layer around the error of what is
/// nested in it, and has that error's code where its own type is among "anything else"; the stack is the innermost one.
/// An error_exception with an exception nested in it becomes a join of both.
///
/// Owns:   the error keeps the exception as payload, `e.as<std::exception_ptr>()`, and thereby alive.
/// Errors: never throws; without memory for the message the result is error_of() the same code.
[[nodiscard]] error from_exception(std::exception_ptr exception,
                                   std::source_location where = std::source_location::current()) noexcept;

/// The exception that stands for an error: the original if from_exception() made the error and nothing was added to
/// it since, otherwise an error_exception that holds the error. No error gives a null pointer.
[[nodiscard]] std::exception_ptr to_exception(const error& e);

/// Throws what to_exception() gives. No error is thrown as an error_exception that holds none.
[[noreturn]] void throw_error(const error& e);

/// The value of a result, or throw_error().
template <class T>
T value_or_throw(result<T> outcome) {
  if (!outcome) throw_error(outcome.error());
  if constexpr (!std::is_void_v<T>) return *std::move(outcome);
}

/// Whether each `throw` of the process, in shared libraries too, notes its stack for from_exception() until the
/// exception is destroyed. On from the start: a throw then costs one stack_trace::capture(), one malloc() and one
/// lock more: little beside what throwing costs (stack.hpp names the figures).
/// An exception that is thrown while this is off never gets a stack. Exceptions that were made but not thrown
/// (std::make_exception_ptr) have none; rethrowing keeps that of the first throw.
///
/// It needs the C++ library as a shared one, and no other __cxa_throw in the program, which would stay in charge.
/// Threads: any, at any time, before and after main() included.
void set_throw_stacks(bool on) noexcept;

}  // namespace tandem
