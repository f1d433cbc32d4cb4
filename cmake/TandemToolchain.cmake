# Language level, compiler cache, linker and sanitizers: what holds for every target of the project.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
  endif()
  # -g1 keeps function and line tables, so that error stacks name their lines in a release build too.
  set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
  # Without sibling calls, GCC turns symmetric transfer between coroutines into recursion in Debug builds.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    string(APPEND CMAKE_CXX_FLAGS_DEBUG " -foptimize-sibling-calls")
  endif()

  find_program(TANDEM_CCACHE ccache)
  if(TANDEM_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    # ccache needs to be told that a precompiled header may be used although its time stamp changed.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${TANDEM_CCACHE})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      add_compile_options(-fpch-preprocess)
    endif()
  endif()

  find_program(TANDEM_MOLD mold)
  find_program(TANDEM_LLD NAMES ld.lld lld)
  if(TANDEM_MOLD)
    add_link_options(-fuse-ld=mold)
  elseif(TANDEM_LLD)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

if(TANDEM_SANITIZE)
  add_compile_options(-fsanitize=${TANDEM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TANDEM_SANITIZE})
endif()
