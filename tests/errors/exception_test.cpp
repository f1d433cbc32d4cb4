#include <tandem/errors/exception.hpp>

#include <cerrno>
#include <exception>
#include <future>
#include <new>
#include <stdexcept>
#include <system_error>
#include <type_traits>

#include <gtest/gtest.h>
#include <tandem/errors/layer.hpp>

namespace tandem {
namespace {

struct odd_thing {};

template <class Exception>
error converted(const Exception& exception) {
  return from_exception(std::make_exception_ptr(exception));
}

// What calling `f` throws; null if nothing.
template <class F>
std::exception_ptr thrown_by(F f) {
  try {
    f();
  } catch (...) {
    return std::current_exception();
  }
  return nullptr;
}

// `outer` with `inner` nested in it.
template <class Outer>
std::exception_ptr nest(Outer outer, const std::exception_ptr& inner) {
  return thrown_by([&] {
    try {
      std::rethrow_exception(inner);
    } catch (...) {
      std::throw_with_nested(outer);
    }
  });
}

std::size_t count_layers(const error& e) {
  std::size_t layers = 0;
  for (layer_view layer = e.first_layer(); layer; layer = layer.next()) ++layers;
  return layers;
}

TEST(FromException, GivesNoErrorForNoException) { EXPECT_FALSE(from_exception(nullptr)); }

TEST(FromException, NamesTheTypeAndWhatItSays) {
  const error e = converted(std::runtime_error("no 7"));
  EXPECT_EQ(e.code(), errc::internal);
  EXPECT_EQ(e.message(), "std::runtime_error: no 7");
}

TEST(FromException, TakesTheCodeFromTheStandardTypesThatTellOne) {
  EXPECT_EQ(converted(std::invalid_argument("a")).code(), errc::invalid_argument);
  EXPECT_EQ(converted(std::domain_error("a")).code(), errc::invalid_argument);
  EXPECT_EQ(converted(std::length_error("a")).code(), errc::invalid_argument);
  EXPECT_EQ(converted(std::out_of_range("a")).code(), errc::out_of_range);
  EXPECT_EQ(converted(std::system_error(ENOENT, std::generic_category())).code(), errc::not_found);
  EXPECT_EQ(converted(std::future_error(std::future_errc::broken_promise)).code(), errc::internal);
}

TEST(FromException, CallsMissingMemoryExhaustion) {
  const error e = converted(std::bad_alloc());
  EXPECT_EQ(e.code(), errc::resource_exhausted);
  EXPECT_EQ(e.message(), "std::bad_alloc: std::bad_alloc");
}

TEST(FromException, NamesTypesThatAreNotStandardExceptions) {
  EXPECT_EQ(converted(42).message(), "int");
  EXPECT_EQ(converted(odd_thing()).message(), "tandem::(anonymous namespace)::odd_thing");
}

TEST(FromException, UnwrapsTheErrorThatWasThrown) {
  const error thrown = wrap(make_error(errc::not_found, "a"), "b");
  const error e = converted(error_exception(thrown));
  EXPECT_EQ(e, thrown);
  EXPECT_EQ(e.first_layer().line(), thrown.first_layer().line());
}

TEST(FromException, NeverTurnsAnExceptionIntoNoError) {
  EXPECT_EQ(converted(error_exception(error())).code(), errc::internal);
}

struct says_null : std::exception {
  const char* what() const noexcept override { return nullptr; }
};

TEST(FromException, ReadsNullWhereAnExceptionSaysNothing) {
  EXPECT_EQ(converted(says_null()).message(), "tandem::(anonymous namespace)::says_null: (null)");
}

TEST(FromException, KeepsTheExceptionAsPayload) {
  const std::exception_ptr original = std::make_exception_ptr(odd_thing());
  const error e = wrap(from_exception(original), "a");
  ASSERT_NE(e.as<std::exception_ptr>(), nullptr);
  EXPECT_EQ(*e.as<std::exception_ptr>(), original);
}

TEST(FromException, MakesLayersOfNestedExceptions) {
  const std::exception_ptr inner = std::make_exception_ptr(std::invalid_argument("bad digit"));
  const std::exception_ptr middle = nest(std::logic_error("cannot parse"), inner);
  const error e = from_exception(nest(std::runtime_error("cannot start"), middle));
  EXPECT_EQ(e.message(),
            "std::runtime_error: cannot start: std::logic_error: cannot parse: std::invalid_argument: bad digit");
  EXPECT_EQ(e.code(), errc::invalid_argument);
  EXPECT_EQ(count_layers(e), 3u);
}

TEST(FromException, PrefersTheCodeOfAnOuterExceptionThatTellsOne) {
  const error e = from_exception(nest(std::bad_alloc(), std::make_exception_ptr(std::invalid_argument("a"))));
  EXPECT_EQ(e.code(), errc::resource_exhausted);
  EXPECT_TRUE(e.is(errc::invalid_argument));
}

TEST(FromException, MakesALayerOfWhatIsNestedInNoStandardException) {
  const error e = from_exception(nest(odd_thing(), std::make_exception_ptr(42)));
  EXPECT_EQ(e.message(), "tandem::(anonymous namespace)::odd_thing: int");
}

TEST(FromException, JoinsAnErrorWithWhatWasNestedInItsException) {
  const error carried = make_error(errc::not_found, "no such user");
  const error e = from_exception(nest(error_exception(carried), std::make_exception_ptr(42)));
  EXPECT_EQ(e.message(), "[no such user; int]");
  EXPECT_EQ(e.code(), errc::not_found);
}

TEST(FromException, TellsThatMoreWasNestedThanBecameLayers) {
  std::exception_ptr deep = std::make_exception_ptr(std::runtime_error("root"));
  for (std::size_t i = 0; i < max_nested_exceptions - 1; ++i) deep = nest(std::runtime_error("a"), deep);
  const error all = from_exception(deep);
  EXPECT_EQ(count_layers(all), max_nested_exceptions);
  EXPECT_TRUE(cause(all).first_layer().fields().empty());

  const error cut = from_exception(nest(std::runtime_error("a"), deep));
  EXPECT_EQ(count_layers(cut), max_nested_exceptions);
  ASSERT_EQ(cause(cut).first_layer().fields().size(), 1u);
  EXPECT_EQ(cause(cut).first_layer().fields()[0].key, "nested");
}

TEST(ToException, GivesBackTheOriginal) {
  const std::exception_ptr original = std::make_exception_ptr(odd_thing());
  EXPECT_EQ(to_exception(from_exception(original)), original);
  const std::exception_ptr outer = nest(std::runtime_error("a"), original);
  EXPECT_EQ(to_exception(from_exception(outer)), outer);
  EXPECT_EQ(to_exception(cause(from_exception(outer))), original);
}

TEST(ToException, HoldsTheErrorOnceSomethingWasAdded) {
  const error original = from_exception(std::make_exception_ptr(odd_thing()));
  for (const error& e : {wrap(original, "a"), with_message(original, "a"), with(original, "key", "value"),
                         join(original, original), make_error(errc::closed, "a")}) {
    EXPECT_THROW(
        {
          try {
            std::rethrow_exception(to_exception(e));
          } catch (const error_exception& thrown) {
            EXPECT_EQ(thrown.get().first_layer(), e.first_layer());
            throw;
          }
        },
        error_exception);
  }
}

TEST(ToException, GivesNoneForNoError) { EXPECT_EQ(to_exception(error()), nullptr); }

TEST(ThrowError, ThrowsWhatToExceptionGives) {
  EXPECT_THROW(throw_error(from_exception(std::make_exception_ptr(odd_thing()))), odd_thing);
  EXPECT_THROW(throw_error(make_error(errc::closed, "a")), error_exception);
  EXPECT_EQ(from_exception(thrown_by([] { throw_error(error()); })).code(), errc::internal);
}

TEST(ValueOrThrow, GivesTheValueOrThrowsTheError) {
  EXPECT_EQ(value_or_throw(result<int>(7)), 7);
  static_assert(std::is_void_v<decltype(value_or_throw(result<void>()))>);
  value_or_throw(result<void>());
  const error e = make_error(errc::closed, "a");
  EXPECT_EQ(from_exception(thrown_by([&] { (void)value_or_throw(result<int>(fail(e))); })), e);
}

TEST(ErrorException, SaysTheMessageOfItsError) {
  try {
    throw error_exception(wrap(make_error(errc::not_found, "a"), "b"));
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "b: a");
  }
}

}  // namespace
}  // namespace tandem
