// A program that makes a runtime and spawns nothing.
#include <cstdio>

#include <tandem/runtime/runtime.hpp>

int main() {
  const tandem::runtime rt({.workers = 1});
  std::printf("%u worker\n", rt.worker_count());
}
