# Installs BUILD_DIR below WORK_DIR, then configures, builds and runs CONSUMER_DIR against it; see CMakeLists.txt.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "failed: ${ARGV}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK_DIR}/prefix ${WORK_DIR}/build)
run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${WORK_DIR}/prefix)
run(${CMAKE_COMMAND} -S ${CONSUMER_DIR} -B ${WORK_DIR}/build -G ${GENERATOR} -D CMAKE_PREFIX_PATH=${WORK_DIR}/prefix
    -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_BUILD_TYPE=Release)
run(${CMAKE_COMMAND} --build ${WORK_DIR}/build)
run(${WORK_DIR}/build/consumer)
if(NOT output MATCHES "${SAYS}")
  message(FATAL_ERROR "the consumer printed: ${output}")
endif()

file(READ ${WORK_DIR}/build/CMakeCache.txt cache)
if(cache MATCHES "\n([^\n]*(${ABSENT})[^\n]*)\n")
  message(FATAL_ERROR "the consumer's find_package(tandem) looked for more than it needs: ${CMAKE_MATCH_1}")
endif()
