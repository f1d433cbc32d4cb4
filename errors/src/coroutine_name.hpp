// The names that compilers give the bodies of coroutines, and what their authors call them.
#pragma once
#include <string>

namespace tandem::internal {

/// `name` as printed by a demangler or by std::source_location; that of a coroutine's body becomes the coroutine's:
/// "load(load(int)::_Z4loadi.Frame*) [clone .actor]" reads "load(int)".
[[nodiscard]] std::string readable_function(std::string name);

}  // namespace tandem::internal
