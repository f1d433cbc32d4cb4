#include <stdexcept>

#include <errors/libraries.hpp>

void throw_in_a_library() { throw std::runtime_error("from a library"); }
