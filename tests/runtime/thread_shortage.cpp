#include "thread_shortage.hpp"

#include <atomic>
#include <cerrno>
#include <climits>

#include <dlfcn.h>
#include <pthread.h>

namespace {

std::atomic<int> threads_left{INT_MAX};

}  // namespace

// Stands in front of the system's: whoever starts a thread comes here.
extern "C" int pthread_create(pthread_t* made, const pthread_attr_t* attributes, void* (*body)(void*),
                              void* argument) noexcept {
  using function = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static const auto real = reinterpret_cast<function>(dlsym(RTLD_NEXT, "pthread_create"));
  int left = threads_left.load();
  do {
    if (left == 0) return EAGAIN;
  } while (left != INT_MAX && !threads_left.compare_exchange_weak(left, left - 1));
  return real(made, attributes, body, argument);
}

namespace tandem {

thread_shortage::thread_shortage(int more) noexcept { threads_left = more; }
thread_shortage::~thread_shortage() { threads_left = INT_MAX; }

}  // namespace tandem
