// Build facts the runtime's headers depend on.
#pragma once

// Sanitizers keep the compiler from turning symmetric transfer into a jump, so a loop that awaits tasks which complete
// at once would grow the stack. Builds with a sanitizer resume a child nested instead (detail/transfer in task.hpp).
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TANDEM_NESTED_RESUME 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TANDEM_NESTED_RESUME 1
#endif
#endif
#ifndef TANDEM_NESTED_RESUME
#define TANDEM_NESTED_RESUME 0
#endif

namespace tandem::detail {

/// Tells the CPU that this is a spin loop.
inline void cpu_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

}  // namespace tandem::detail
