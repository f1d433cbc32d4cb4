// Must not compile, and must say why: see CMakeLists.txt.
#include <tandem/csp/select.hpp>
#include <tandem/runtime/task.hpp>

tandem::task<> wait_for_nothing() { (void)co_await tandem::csp::select(); }
