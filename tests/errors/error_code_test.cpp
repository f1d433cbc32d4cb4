#include <tandem/errors/error_code.hpp>

#include <cerrno>
#include <future>
#include <string>
#include <utility>

#include <errors/every_errc.hpp>
#include <gtest/gtest.h>
#include <tandem/errors/exception.hpp>
#include <tandem/errors/layer.hpp>

namespace tandem {
namespace {

std::error_code system(int number) { return {number, std::system_category()}; }

TEST(ErrorCode, MadeOfAnErrcComesBackAsThatErrc) {
  for (errc code : testing::every_errc) {
    const std::error_code made = code;
    EXPECT_EQ(errc_of(made), code);
    EXPECT_EQ(error_from(made).code(), code);
    EXPECT_EQ(to_error_code(error_from(made)), made);
    EXPECT_EQ(made, code);
    EXPECT_EQ(made.message(), to_string(code));
    EXPECT_STREQ(made.category().name(), "tandem");
  }
  EXPECT_EQ(errc_of(std::error_code(77, errc_category())), errc::unknown);
}

TEST(ErrorCode, EqualsTheStandardConditionsThatMeanTheSame) {
  const std::pair<errc, std::errc> same[] = {
      {errc::cancelled, std::errc::operation_canceled},
      {errc::deadline_exceeded, std::errc::timed_out},
      {errc::timed_out, std::errc::timed_out},
      {errc::invalid_argument, std::errc::invalid_argument},
      {errc::not_found, std::errc::no_such_file_or_directory},
      {errc::already_exists, std::errc::file_exists},
      {errc::permission_denied, std::errc::permission_denied},
      {errc::permission_denied, std::errc::operation_not_permitted},
      {errc::resource_exhausted, std::errc::not_enough_memory},
      {errc::resource_exhausted, std::errc::no_space_on_device},
      {errc::failed_precondition, std::errc::directory_not_empty},
      {errc::out_of_range, std::errc::result_out_of_range},
      {errc::unimplemented, std::errc::function_not_supported},
      {errc::unavailable, std::errc::connection_refused},
      {errc::would_block, std::errc::operation_would_block},
  };
  for (const auto& [code, condition] : same) EXPECT_EQ(make_error_code(code), condition) << code;
}

TEST(ErrorCode, EqualsNoStandardConditionThatMeansSomethingElse) {
  EXPECT_NE(make_error_code(errc::not_found), std::errc::file_exists);
  EXPECT_NE(make_error_code(errc::closed), std::errc::broken_pipe);
  // One that no errc stands for.
  EXPECT_NE(make_error_code(errc::unknown), std::errc::owner_dead);
}

TEST(ErrcOf, NamesTheNextMoveAfterAnErrno) {
  const std::pair<int, errc> table[] = {
      {ENOENT, errc::not_found},
      {EEXIST, errc::already_exists},
      {EACCES, errc::permission_denied},
      {EPERM, errc::permission_denied},
      {ECONNREFUSED, errc::unavailable},
      {ECONNRESET, errc::unavailable},
      {EPIPE, errc::unavailable},
      {EHOSTDOWN, errc::unavailable},
      {ENOMEM, errc::resource_exhausted},
      {EMFILE, errc::resource_exhausted},
      {ENOSPC, errc::resource_exhausted},
      {EAGAIN, errc::would_block},
      {ETIMEDOUT, errc::timed_out},
      {ECANCELED, errc::cancelled},
      {EINVAL, errc::invalid_argument},
      {ENOTEMPTY, errc::failed_precondition},
      {EINTR, errc::aborted},
      {ERANGE, errc::out_of_range},
      {ENOSYS, errc::unimplemented},
      {EIO, errc::data_loss},
      {EDQUOT, errc::resource_exhausted},
      {EROFS, errc::permission_denied},
      {EISDIR, errc::failed_precondition},
      {EFBIG, errc::out_of_range},
      {0, errc::unknown},
      {99'999, errc::unknown},
  };
  for (const auto& [number, code] : table) {
    EXPECT_EQ(errc_of(system(number)), code) << number;
    EXPECT_EQ(errc_of(std::error_code(number, std::generic_category())), code) << number;
  }
}

TEST(ErrcOf, IsUnknownForCategoriesWithoutConditionsOfTheStandard) {
  EXPECT_EQ(errc_of(make_error_code(std::future_errc::broken_promise)), errc::unknown);
}

TEST(ErrorFrom, GivesNoErrorForSuccess) { EXPECT_FALSE(error_from(std::error_code())); }

TEST(ErrorFrom, SaysWhatFailedAndWhy) {
  const error e = error_from(system(ENOENT), "cannot open a.txt");
  EXPECT_EQ(e.code(), errc::not_found);
  EXPECT_EQ(e.message(), "cannot open a.txt: No such file or directory");
  ASSERT_EQ(e.first_layer().fields().size(), 1u);
  EXPECT_EQ(e.first_layer().fields()[0], (error_field{"std_error", "system:2"}));
  EXPECT_TRUE(e.first_layer().has_stack());
  EXPECT_TRUE(e.first_layer().file().ends_with("error_code_test.cpp"));
  EXPECT_EQ(error_from(system(ENOENT)).message(), "No such file or directory");
}

TEST(ErrorFrom, KeepsTheCode) {
  const error e = wrap(error_from(system(EIO), "disk"), "cannot save");
  ASSERT_NE(e.as<std::error_code>(), nullptr);
  EXPECT_EQ(*e.as<std::error_code>(), system(EIO));
  EXPECT_EQ(to_error_code(e), system(EIO));
}

TEST(ToErrorCode, IsZeroForNoError) { EXPECT_FALSE(to_error_code(error())); }

TEST(ToErrorCode, IsTheErrcForErrorsThatNeverWereAnErrorCode) {
  EXPECT_EQ(to_error_code(wrap(make_error(errc::closed, "gone"), "a")), errc::closed);
}

TEST(ToErrorCode, IsTheNewErrcOnceALayerReclassified) {
  EXPECT_EQ(to_error_code(wrap(error_from(system(ENOENT)), errc::data_loss, "the index is gone")), errc::data_loss);
}

TEST(ToErrorCode, FindsTheCodeOfASystemErrorThatWasThrown) {
  const error e = from_exception(std::make_exception_ptr(std::system_error(system(EACCES), "open")));
  EXPECT_EQ(e.code(), errc::permission_denied);
  EXPECT_EQ(to_error_code(wrap(e, "a")), system(EACCES));
}

}  // namespace
}  // namespace tandem
