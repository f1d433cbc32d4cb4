#include "dead_letter_log.hpp"

#include <chrono>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include <tandem/errors/format.hpp>

namespace tandem::actors {

std::string to_string(const dead_letter& letter) {
  std::string text = fmt::format("{} for {}", letter.message_type, letter.target_name);
  if (letter.target_name.empty()) text += "an actor";
  text += letter.target_class.empty() ? fmt::format(" (id {})", letter.target_id)
                                      : fmt::format(" ({}, id {})", letter.target_class, letter.target_id);
  if (letter.waited.count() > 0) text += fmt::format(" after {} ms", letter.waited.count());
  return text + fmt::format(": {}", letter.reason);
}

namespace detail {

bool dead_letter_log::admits(time_point now) noexcept {
  const std::lock_guard hold(lock_);
  if (lines_ == 0 || now - begin_ >= std::chrono::seconds(1)) {
    tell_left_out();
    begin_ = now;
    lines_ = 0;
  }
  if (lines_ == lines_in_a_second) {
    ++left_out_;
    return false;
  }
  ++lines_;
  return true;
}

void dead_letter_log::write(const dead_letter& letter) const noexcept {
  try {
    fmt::print(stderr, "tandem: dead letter: {}\n", to_string(letter));
  } catch (...) {  // fmt throws if stderr is closed, or on a full disk: a report must not end what it reports on
    std::fputs("tandem: a dead letter could not be told\n", stderr);
  }
}

void dead_letter_log::finish() noexcept {
  const std::lock_guard hold(lock_);
  tell_left_out();
}

void dead_letter_log::tell_left_out() noexcept {
  if (left_out_ == 0) return;
  std::fprintf(stderr, "tandem: %llu more dead letters in the last second\n",
               static_cast<unsigned long long>(std::exchange(left_out_, 0)));
}

}  // namespace detail
}  // namespace tandem::actors
