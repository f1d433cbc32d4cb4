// A library that is loaded when others have been looked into already.
extern "C" int function_of_a_late_library();
int function_of_a_late_library() { return 42; }
