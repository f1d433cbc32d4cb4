#include <tandem/testing/test_framework.hpp>

#include <cstdio>
#include <cstdlib>

namespace tandem::testing {
namespace {

constinit test_framework in_use{.has_failed = []() noexcept { return false; },
                                .fail =
                                    [](const std::string& why) {
                                      std::fprintf(stderr, "%s\n", why.c_str());
                                      std::abort();
                                    }};

}  // namespace

void use_test_framework(const test_framework& framework) noexcept { in_use = framework; }

const test_framework& test_framework_in_use() noexcept { return in_use; }

}  // namespace tandem::testing
