#include <new>
#include <stdexcept>

#include <gtest/gtest.h>
#include <tandem/errors/error.hpp>
#include <tandem/errors/layer.hpp>

namespace tandem {
namespace {

struct odd_thing {};

template <class Exception>
error converted(const Exception& exception) {
  return from_exception(std::make_exception_ptr(exception));
}

TEST(FromException, GivesNoErrorForNoException) { EXPECT_FALSE(from_exception(nullptr)); }

TEST(FromException, NamesTheTypeAndWhatItSays) {
  const error e = converted(std::out_of_range("index 7"));
  EXPECT_EQ(e.code(), errc::internal);
  EXPECT_EQ(e.message(), "std::out_of_range: index 7");
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

TEST(ErrorException, SaysTheMessageOfItsError) {
  try {
    throw error_exception(wrap(make_error(errc::not_found, "a"), "b"));
  } catch (const std::exception& e) {
    EXPECT_STREQ(e.what(), "b: a");
  }
}

}  // namespace
}  // namespace tandem
