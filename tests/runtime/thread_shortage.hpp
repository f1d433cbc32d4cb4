// Lets a test run out of threads.
#pragma once

namespace tandem {

/// While it lives, the process can start only `more` threads; further ones are refused as the system does when a limit
/// is reached. One at a time.
class thread_shortage {
 public:
  explicit thread_shortage(int more) noexcept;
  ~thread_shortage();
  thread_shortage(const thread_shortage&) = delete;
  thread_shortage& operator=(const thread_shortage&) = delete;
};

}  // namespace tandem
