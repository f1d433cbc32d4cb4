# tandem_add_test(NAME SOURCES… [DEPS…] [LABELS…] [TIMEOUT seconds])
#
# One GoogleTest binary with one CTest entry per case, each under a time limit.
function(tandem_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;DEPS;LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 60)
  endif()
  add_executable(${name} ${arg_SOURCES})
  tandem_warnings(${name})
  if(TANDEM_SANITIZE MATCHES address)
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/asan_options.cpp)
  endif()
  target_link_libraries(${name} PRIVATE ${arg_DEPS} GTest::gtest_main)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_precompile_headers(${name} PRIVATE <gtest/gtest.h> <memory> <string> <vector> <functional> <chrono> <fmt/format.h>)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT ${arg_TIMEOUT} LABELS "${arg_LABELS}")
endfunction()
