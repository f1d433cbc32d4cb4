#include <tandem/sync/byte_pool.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace tandem::sync {
namespace {

static_assert(!std::is_copy_constructible_v<byte_pool> && !std::is_copy_assignable_v<byte_pool>);
static_assert(!std::is_move_constructible_v<byte_pool>);
static_assert(!std::is_copy_constructible_v<byte_pool::loan> && !std::is_copy_assignable_v<byte_pool::loan>);
static_assert(std::is_nothrow_move_constructible_v<byte_pool::loan>);
static_assert(std::is_convertible_v<const byte_pool::loan&, std::span<std::byte>>);

TEST(BytePool, GivesAtLeastWhatIsAskedFor) {
  byte_pool p;
  for (const std::size_t n : {1u, 63u, 64u, 65u, 4'096u, 1'000'000u, 1u << 20}) {
    const auto b = p.get(n);
    EXPECT_EQ(b.size(), n);
    EXPECT_GE(b.capacity(), n);
    EXPECT_LE(b.capacity(), std::max<std::size_t>(64, 2 * n));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.data()) % byte_pool::alignment, 0u);
    std::ranges::fill(b, std::byte{0xff});
  }
}

TEST(BytePool, MemoryIsUsedAgain) {
  byte_pool p;
  const std::byte* first = nullptr;
  {
    const auto b = p.get(1'000);
    first = b.data();
  }
  EXPECT_EQ(p.idle_bytes(), 1'024u);
  EXPECT_EQ(p.get(600).data(), first);
  EXPECT_NE(p.get(2'000).data(), first);
}

TEST(BytePool, ZeroBytesAreNone) {
  byte_pool p;
  const auto b = p.get(0);
  EXPECT_EQ(b.data(), nullptr);
  EXPECT_EQ(b.size(), 0u);
  EXPECT_EQ(b.begin(), b.end());
  EXPECT_EQ(p.get_zeroed(0).size(), 0u);
  EXPECT_EQ(p.idle_bytes(), 0u);
}

TEST(BytePool, WhatIsTooLargeIsNotKept) {
  byte_pool p;
  {
    const auto b = p.get(byte_pool::largest + 1);
    EXPECT_EQ(b.capacity(), byte_pool::largest + 1);
    std::ranges::fill(b, std::byte{1});
  }
  EXPECT_EQ(p.idle_bytes(), 0u);
}

TEST(BytePool, WhatNoMemoryCanHoldIsRefused) {
  byte_pool p;
  EXPECT_THROW((void)p.get(SIZE_MAX), std::bad_alloc);
  EXPECT_THROW((void)p.get(SIZE_MAX - 62), std::bad_alloc);
  EXPECT_THROW((void)p.get(static_cast<std::size_t>(PTRDIFF_MAX) + 1), std::bad_alloc);
}

TEST(BytePool, BytesAreZeroOnlyWhereThatIsAskedFor) {
  byte_pool p;
  {
    const auto b = p.get(100);
    std::fill_n(b.data(), b.capacity(), std::byte{0xaa});
  }
  {
    const auto b = p.get_zeroed(70);
    EXPECT_EQ(std::count(b.data(), b.data() + b.capacity(), std::byte{0}), 128);
  }
  const auto large = p.get_zeroed(byte_pool::largest + 5);
  EXPECT_EQ(static_cast<std::size_t>(std::ranges::count(large, std::byte{0})), large.size());
}

TEST(BytePool, KeepsNoMoreThanItMay) {
  byte_pool p({.most_idle_bytes = 8 * 1'024});
  std::vector<byte_pool::loan> many;
  for (int i = 0; i < 100; ++i) many.push_back(p.get(1'024));
  many.clear();
  EXPECT_LE(p.idle_bytes(), 16u * 1'024);
  for (int i = 0; i < 5; ++i) many.push_back(p.get(byte_pool::largest));
  many.clear();
  EXPECT_LE(p.idle_bytes(), 16u * 1'024 + byte_pool::largest);  // one piece for the thread
  p.trim();
  p.trim();
  EXPECT_EQ(p.idle_bytes(), 0u);
}

TEST(BytePool, MayGoBeforeItsLoans) {
  std::optional<byte_pool> p(std::in_place);
  auto small = p->get(10);
  auto large = p->get(byte_pool::largest * 2);
  { auto idle = p->get(5'000); }
  p.reset();
  std::ranges::fill(small, std::byte{1});
  std::ranges::fill(large, std::byte{1});
  small = std::move(large);
  EXPECT_EQ(small.size(), byte_pool::largest * 2);
}

TEST(BytePool, ALoanThatWasMovedFromIsEmpty) {
  byte_pool p;
  auto a = p.get(10);
  const auto b = std::move(a);
  EXPECT_EQ(a.data(), nullptr);
  EXPECT_EQ(a.size(), 0u);
  EXPECT_EQ(b.size(), 10u);
}

TEST(BytePool, OptionsAreChecked) { EXPECT_THROW(byte_pool({.generation = duration::zero()}), std::invalid_argument); }

TEST(BytePoolModel, LoansNeverOverlap) {
  std::mt19937 random(1);
  byte_pool p;
  struct lent {
    byte_pool::loan bytes;
    std::byte mark;
  };
  std::vector<lent> out;
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 2 == 0 && out.size() < 50) {
      lent l{p.get(random() % (random() % 100 == 0 ? 2'000'000 : 3'000)), std::byte(random() % 256)};
      std::ranges::fill(l.bytes, l.mark);
      out.push_back(std::move(l));
    } else if (!out.empty()) {
      std::swap(out[random() % out.size()], out.back());
      ASSERT_EQ(std::ranges::count(out.back().bytes, out.back().mark), std::ssize(out.back().bytes));
      out.pop_back();
    }
    if (random() % 500 == 0) p.trim();
  }
}

TEST(BytePoolThreads, LoansMayEndOnOtherThreads) {
  byte_pool p;
  for (int round = 0; round < 100; ++round) {
    std::vector<byte_pool::loan> many;
    for (int i = 0; i < 30; ++i) many.push_back(p.get(100));
    std::thread([loans = std::move(many)]() mutable {
      for (auto& l : loans) std::ranges::fill(l, std::byte{1});
      loans.clear();
    }).join();
  }
  EXPECT_LE(p.idle_bytes(), 128u * 60);  // they came round again
}

}  // namespace
}  // namespace tandem::sync
