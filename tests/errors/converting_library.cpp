#include <exception>

#include <errors/libraries.hpp>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/layer.hpp>

std::string first_frame_found_in_a_library(void (*thrower)()) {
  try {
    thrower();
  } catch (...) {
    // The program's own __cxa_throw may stand before the place in a stack that this copy of tandem takes.
    for (const std::string& frame : tandem::from_exception(std::current_exception()).first_layer().frames())
      if (frame.find("__cxa_throw") == std::string::npos) return frame;
  }
  return "nothing";
}
