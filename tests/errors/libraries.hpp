// What the shared libraries of throw_stack_test.cpp offer.
#pragma once
#include <string>

/// Throws std::runtime_error("from a library"), in a library without tandem.
void throw_in_a_library();

/// The first frame of the stack of what `thrower` throws, as found by the copy of tandem in another library.
std::string first_frame_found_in_a_library(void (*thrower)());
