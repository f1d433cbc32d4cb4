#include "progress.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>
#include <tandem/runtime/sleep.hpp>

namespace wordcount {

using namespace std::chrono_literals;

void progress::milestone(std::string_view text) {
  const std::lock_guard lock(mutex_);
  erase_bar();
  fmt::print(stderr, "{}\n", text);
}

void progress::problem(const tandem::error& what) { milestone(fmt::format("wordcount: {}", what)); }

void progress::start(std::uint64_t bytes_in_all) {
  const std::lock_guard lock(mutex_);
  started_ = true;
  start_ = tandem::now();
  bytes_in_all_ = bytes_in_all;
}

void progress::chunk_done(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  bytes_done_ += bytes;
  ++chunks_done_;
}

void progress::nodes_up(std::size_t count) {
  const std::lock_guard lock(mutex_);
  nodes_ = count;
}

std::uint64_t progress::bytes_done() const {
  const std::lock_guard lock(mutex_);
  return bytes_done_;
}

tandem::task<> progress::show() {
  const tandem::duration period = on_terminal_ ? 100ms : 1s;
  while (const auto slept = co_await tandem::sleep_for(period)) {
    const std::lock_guard lock(mutex_);
    if (!started_) continue;
    if (on_terminal_) {
      fmt::print(stderr, "\r{}\x1b[K", line());
      bar_shown_ = true;
    } else {
      fmt::print(stderr, "{}\n", line());
    }
  }
}

void progress::hide() {
  const std::lock_guard lock(mutex_);
  erase_bar();
}

void progress::erase_bar() {
  if (bar_shown_) fmt::print(stderr, "\r\x1b[K");
  bar_shown_ = false;
}

std::string progress::line() const {
  constexpr double mega = 1e6;
  const double part =
      bytes_in_all_ == 0 ? 1.0 : std::min(1.0, static_cast<double>(bytes_done_) / static_cast<double>(bytes_in_all_));
  const double seconds = std::chrono::duration<double>(tandem::now() - start_).count();
  const double done = static_cast<double>(bytes_done_) / mega;
  std::string bar;
  if (on_terminal_) {
    constexpr std::size_t width = 24;
    const auto filled = static_cast<std::size_t>(part * width);
    bar = fmt::format("[{}{}] ", std::string(filled, '#'), std::string(width - filled, '.'));
  }
  return fmt::format("{}{:3.0f} %  {:.1f} of {:.1f} MB  {:.1f} MB/s  {} chunk{}  {} node{}", bar, part * 100, done,
                     static_cast<double>(bytes_in_all_) / mega, seconds > 0 ? done / seconds : 0, chunks_done_,
                     chunks_done_ == 1 ? "" : "s", nodes_, nodes_ == 1 ? "" : "s");
}

}  // namespace wordcount
