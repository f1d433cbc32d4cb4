// The compiler's unwinder, made for exceptions, interprets each frame's table anew: about 100 ns per frame. libunwind
// remembers what it found out about an address, which makes it ten times faster. It is loaded privately, where there is one,
// and not linked: it exports an unwinder for exceptions too, which would replace the compiler's, and is slower.
#include "unwind.hpp"

#include <dlfcn.h>
#include <unwind.h>

#include <atomic>

namespace tandem::internal {
namespace {

using backtrace_function = int (*)(void** out, int room);

// Null without libunwind 8, and until it is loaded.
// release/acquire: what the loader wrote when it placed the library is visible to whoever calls it.
constinit std::atomic<backtrace_function> fast_unwind{nullptr};

// It stays loaded: stacks are taken until the process ends.
bool load_libunwind() noexcept {
  // ThreadSanitizer crashes when a thread that took a stack ends: libunwind then takes a lock, and the sanitizer has
  // forgotten the thread. Asked of the process, as tandem itself may be built without.
  if (::dlsym(RTLD_DEFAULT, "__tsan_init") != nullptr) return false;
  void* const library = ::dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return false;
  fast_unwind.store(reinterpret_cast<backtrace_function>(::dlsym(library, "unw_backtrace")), std::memory_order_release);
  return true;
}

// Not by the first stack: loading waits for the dynamic linker's lock, which a thread that waits for the one with that
// stack may hold, as the initialisation of a library does when it starts threads. Stacks taken before are slower.
[[maybe_unused]] const bool libunwind_is_loaded = load_libunwind();

struct unwinding {
  std::span<const void*> out;
  std::size_t skip;
  std::size_t taken = 0;
};

// Called for every function on the stack, innermost first.
_Unwind_Reason_Code take_call(_Unwind_Context* context, void* state) {
  auto& u = *static_cast<unwinding*>(state);
  const auto address = _Unwind_GetIP(context);
  if (address == 0 || u.taken == u.out.size()) return _URC_END_OF_STACK;
  if (u.skip > 0) {
    --u.skip;
  } else {
    u.out[u.taken++] = reinterpret_cast<const void*>(address);
  }
  return _URC_NO_REASON;
}

}  // namespace

std::size_t unwind(std::span<const void*> out) noexcept {
  const backtrace_function fast = fast_unwind.load(std::memory_order_acquire);
  if (fast != nullptr && !out.empty()) {
    // The first address is in this function: its place goes to the one after the last.
    constexpr std::size_t own = 1;
    const int found = fast(const_cast<void**>(out.data()), static_cast<int>(out.size()));
    const std::size_t taken = found > 0 ? static_cast<std::size_t>(found) : 0;
    if (taken <= own) return 0;
    for (std::size_t i = own; i < taken; ++i) out[i - own] = out[i];
    return taken - own;
  }
  unwinding calls{out, 1};
  _Unwind_Backtrace(&take_call, &calls);
  return calls.taken;
}

}  // namespace tandem::internal
