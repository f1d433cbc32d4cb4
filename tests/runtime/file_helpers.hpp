// What tests of files share: a folder of their own, the ways in which operations reach the kernel, and faults.
#pragma once
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/file.hpp>
#include <tandem/runtime/runtime.hpp>
#include <tandem/testing/sim_runtime.hpp>

#include "io_faults.hpp"

namespace tandem {

/// A folder that goes with all that is in it.
class scratch_folder {
 public:
  explicit scratch_folder(std::string_view below = "") {
    std::string name = (below.empty() ? std::filesystem::temp_directory_path().string() : std::string(below)) +
                       "/tandem-file-test-XXXXXX";
    if (!mkdtemp(name.data())) throw std::system_error(errno, std::system_category(), name);
    path_ = name;
  }
  ~scratch_folder() { std::filesystem::remove_all(path_); }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;

  [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::string path_;
};

inline void put(const std::string& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }
inline std::string get(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
[[nodiscard]] inline std::span<std::byte> memory_of(std::string& text) { return std::as_writable_bytes(std::span(text)); }
[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

enum class engine : std::uint8_t { ring, pool, simulation };

/// Tests run with each engine; `run` gives what the task gave.
class on_each_engine : public ::testing::TestWithParam<engine> {
 public:
  template <class F>
  void run(F body) {
    if (GetParam() == engine::simulation) {
      testing::sim_runtime sim;
      const auto ended = sim.run(body());
      EXPECT_TRUE(ended.has_value()) << ended.error();
      return;
    }
    runtime rt({.workers = 2, .io_uring = GetParam() == engine::ring});
    rt.block_on(body());
    EXPECT_EQ(rt.live_tasks(), 0U);
  }

  scratch_folder folder;
};

[[nodiscard]] inline std::string engine_name(const ::testing::TestParamInfo<engine>& info) {
  switch (info.param) {
    case engine::ring: return "Ring";
    case engine::pool: return "Pool";
    default: return "Simulation";
  }
}

#define TANDEM_ON_EACH_ENGINE(suite) \
  INSTANTIATE_TEST_SUITE_P(Each, suite, ::testing::Values(engine::ring, engine::pool, engine::simulation), engine_name)

/// While it lives, calls of one kind meet these faults, one after the other; when they are used up, no more.
class faults {
 public:
  faults(detail::io_call what, std::vector<detail::io_fault> planned) {
    which() = what;
    plan() = std::move(planned);
    used() = 0;
    detail::set_io_faults([](detail::io_call about, const char*) noexcept {
      if (about != which()) return detail::io_fault();
      const std::size_t mine = used().fetch_add(1);
      return mine < plan().size() ? plan()[mine] : detail::io_fault();
    });
  }
  ~faults() { detail::set_io_faults(nullptr); }
  faults(const faults&) = delete;
  faults& operator=(const faults&) = delete;

  [[nodiscard]] static std::size_t calls() { return used().load(); }

 private:
  static detail::io_call& which() {
    static detail::io_call one;
    return one;
  }
  static std::vector<detail::io_fault>& plan() {
    static std::vector<detail::io_fault> one;
    return one;
  }
  static std::atomic<std::size_t>& used() {
    static std::atomic<std::size_t> one;
    return one;
  }
};

}  // namespace tandem
