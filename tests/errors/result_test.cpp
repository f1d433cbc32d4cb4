#include <tandem/errors/result.hpp>

#include <coroutine>
#include <map>
#include <memory>
#include <optional>

#include <errors/allocation_count.hpp>
#include <gtest/gtest.h>

namespace tandem {
namespace {

result<int> parse(const std::string& text) {
  if (text.empty()) return fail(errc::invalid_argument, "empty");
  return static_cast<int>(text.size());
}

result<std::unique_ptr<int>> boxed(const std::string& text) {
  TANDEM_TRY_ASSIGN(const int value, parse(text));
  return std::make_unique<int>(value);
}

result<int> sum(const std::string& a, const std::string& b) {
  TANDEM_TRY(parse(a));
  TANDEM_TRY_ASSIGN(std::unique_ptr<int> first, boxed(a));
  int second = 0;
  TANDEM_TRY_ASSIGN(second, parse(b));
  return *first + second;
}

result<void> check(const std::string& text, int& steps) {
  ++steps;
  TANDEM_TRY(parse(text));
  ++steps;
  return {};
}

// The least coroutine that returns a result: runs at once, and counts frames and awaited values to show that each is
// destroyed once.
template <class T>
struct eager {
  struct promise_type {
    std::shared_ptr<std::optional<result<T>>> out = std::make_shared<std::optional<result<T>>>();
    eager get_return_object() { return {out}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_value(result<T> value) { out->emplace(std::move(value)); }
    void unhandled_exception() { std::abort(); }
  };
  std::shared_ptr<std::optional<result<T>>> out;
};

template <class T>
struct ready {
  explicit ready(result<T> given) : value(std::move(given)) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) noexcept {}
  result<T> await_resume() { return std::move(value); }
  result<T> value;
};

eager<std::size_t> co_total(std::shared_ptr<int> a, result<std::shared_ptr<int>> b) {
  TANDEM_CO_TRY(co_await ready<std::shared_ptr<int>>(a));
  TANDEM_CO_TRY_ASSIGN(auto first, co_await ready<std::shared_ptr<int>>(a));
  TANDEM_CO_TRY_ASSIGN(std::shared_ptr<int> second, co_await ready<std::shared_ptr<int>>(std::move(b)));
  co_return static_cast<std::size_t>(*first + *second);
}

TEST(Fail, MakesTheErrorSideOfAnyResult) {
  const result<std::string> failed = fail(errc::not_found, "no user 7");
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code(), errc::not_found);
  EXPECT_EQ(failed.error().message(), "no user 7");
}

TEST(Fail, WithACodeAloneNeverAllocates) {
  const std::size_t before = testing::allocation_count();
  const result<int> failed = fail(errc::would_block);
  EXPECT_EQ(testing::allocation_count(), before);
  EXPECT_TRUE(failed.error().is(errc::would_block));
}

TEST(TandemTry, ReturnsTheErrorAtOnce) {
  int steps = 0;
  EXPECT_EQ(check("", steps).error().message(), "empty");
  EXPECT_EQ(steps, 1);
  EXPECT_TRUE(check("a", steps).has_value());
  EXPECT_EQ(steps, 3);
}

TEST(TandemTryAssign, BindsMovesAndAssignsValues) {
  EXPECT_EQ(sum("ab", "cde").value(), 5);
  EXPECT_EQ(sum("ab", "").error().code(), errc::invalid_argument);
  EXPECT_EQ(sum("", "ab").error().code(), errc::invalid_argument);
}

TEST(TandemTry, TakesExpressionsWithCommas) {
  const auto run = []() -> result<std::size_t> {
    TANDEM_TRY_ASSIGN(auto table, (result<std::map<int, int>>(std::map<int, int>{{1, 2}, {3, 4}})));
    TANDEM_TRY(result<std::pair<int, int>>(std::pair<int, int>(1, 2)));
    return table.size();
  };
  EXPECT_EQ(run().value(), 2u);
}

TEST(TandemCoTry, BindsAwaitedValuesAndDestroysEachOnce) {
  auto a = std::make_shared<int>(2);
  auto b = std::make_shared<int>(3);
  EXPECT_EQ(co_total(a, b).out->value().value(), 5u);
  EXPECT_EQ(a.use_count(), 1);
  EXPECT_EQ(b.use_count(), 1);
}

TEST(TandemCoTry, ReturnsTheErrorOfAnAwaitedResult) {
  auto a = std::make_shared<int>(2);
  EXPECT_EQ(co_total(a, fail(errc::closed)).out->value().error().code(), errc::closed);
  EXPECT_EQ(a.use_count(), 1);
}

}  // namespace
}  // namespace tandem
