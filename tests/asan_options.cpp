// What AddressSanitizer's leak check needs to be told. Part of every test built with it.

/// To find pointers in thread-local memory of shared libraries, the check guesses, when such memory is first used,
/// whether a header of an old C library stands before it. Where the memory comes to lie 16 bytes into a page the guess
/// is wrong, and the check itself reads wild addresses and ends the program. Without the guess it goes by glibc's own
/// lists.
extern "C" const char* __asan_default_options() { return "intercept_tls_get_addr=0"; }  // NOLINT: the sanitizer's name
