// The threads that the kernel makes for a ring of io_uring. They end soon after the thread that used the ring.
#pragma once
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

/// LeakSanitizer looks at all threads of a program that ends, and cannot look at these.
inline void await_end_of_kernel_threads() {
  const auto any = [] {
    std::error_code gone;
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", gone)) {
      std::string name;
      std::ifstream(thread.path() / "comm") >> name;
      if (name.starts_with("iou-wrk")) return true;
    }
    return false;
  };
  while (any()) std::this_thread::yield();
}
