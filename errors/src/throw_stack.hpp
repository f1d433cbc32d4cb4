// The stacks of the places that threw the exceptions which are alive.
#pragma once
#include <exception>
#include <optional>

#include <tandem/errors/stack.hpp>

namespace tandem::internal {

// The stack of the `throw` that made the exception; nothing if it is not known: the exception was never thrown, or
// while set_throw_stacks(false), or without memory to remember it, or by a __cxa_throw that is not ours.
[[nodiscard]] std::optional<stack_trace> throw_stack_of(const std::exception_ptr& exception) noexcept;

}  // namespace tandem::internal
