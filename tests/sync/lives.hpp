// A value that counts how many of its kind live, and can be made to refuse copies.
#pragma once
#include <atomic>
#include <stdexcept>
#include <utility>

#include <gtest/gtest.h>

namespace tandem::sync {

class lives {
 public:
  lives(int v = 0) : value(v) { ++living; }  // NOLINT: as an int
  lives(const lives& other) : value(other.value) {
    if (copies_throw) throw std::runtime_error("this copy fails");
    ++living;
  }
  lives(lives&& other) noexcept : value(other.value) { ++living; }
  lives& operator=(const lives& other) {
    if (copies_throw) throw std::runtime_error("this copy fails");
    value = other.value;
    return *this;
  }
  ~lives() {
    mark_ = 0;
    --living;
  }
  [[nodiscard]] bool alive() const { return mark_ == 0x11fe; }
  [[nodiscard]] static int count() { return living; }
  bool operator==(const lives& other) const { return value == other.value; }

  /// Expects at its end that none are left.
  struct guard {
    guard() { EXPECT_EQ(living, 0); }
    ~guard() { EXPECT_EQ(living, 0); }
  };

  int value;
  inline static std::atomic<bool> copies_throw{false};

 private:
  int mark_ = 0x11fe;
  inline static std::atomic<int> living{0};
};

}  // namespace tandem::sync
