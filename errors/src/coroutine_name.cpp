#include "coroutine_name.hpp"

#include <string_view>
#include <utility>

#include <boost/core/demangle.hpp>

namespace tandem::internal {

// GCC makes of a coroutine f a function that takes f's frame, whose type is called after the mangled name of f.
std::string readable_function(std::string name) {
  const std::size_t end = name.find(".Frame*)");
  if (end == std::string::npos) return name;
  const std::size_t start = name.rfind("_Z", end);
  // The mangled name of a local class's member has others inside, so the first of the word is the one.
  if (start == std::string::npos) return name;
  const std::size_t before = name.find_last_of(":( ", start);
  const std::string mangled = name.substr(before == std::string::npos ? 0 : before + 1, end - before - 1);
  std::string demangled = boost::core::demangle(mangled.c_str());
  return demangled == mangled ? name : demangled;
}

}  // namespace tandem::internal
