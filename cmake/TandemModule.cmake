# tandem_add_module(NAME HEADERS… [SOURCES…] [PUBLIC_DEPS…] [PRIVATE_DEPS…] [PACKAGES…] [PCH…])
#
# Makes target tandem_NAME with alias tandem::NAME, a PUBLIC header file set (which installs it and lets
# CMAKE_VERIFY_INTERFACE_HEADER_SETS compile every header alone), and an export set of its own, so that
# find_package(tandem COMPONENTS NAME) finds nothing that NAME does not need.
# PACKAGES are the find_dependency() arguments a consumer of the installed module needs.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

function(tandem_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual)
  if(TANDEM_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
endfunction()

function(tandem_add_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "HEADERS;SOURCES;PUBLIC_DEPS;PRIVATE_DEPS;PACKAGES;PCH")
  set(target tandem_${name})
  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    set(scope PUBLIC)
    tandem_warnings(${target})
    target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
    set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(tandem::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(${target} ${scope} cxx_std_23)
  target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS include FILES ${arg_HEADERS})
  target_link_libraries(${target} ${scope} ${arg_PUBLIC_DEPS})
  if(arg_PRIVATE_DEPS)
    target_link_libraries(${target} PRIVATE ${arg_PRIVATE_DEPS})
  endif()
  if(arg_PCH)
    target_precompile_headers(${target} PRIVATE ${arg_PCH})
  endif()

  _tandem_export(${name} NEEDS ${arg_PUBLIC_DEPS} ${arg_PRIVATE_DEPS} PACKAGES ${arg_PACKAGES})
endfunction()

# tandem_add_proto(NAME [NO_GRPC] PROTOS…)
#
# Makes target tandem_NAME with alias tandem::NAME from .proto files: messages and, without NO_GRPC, gRPC services. A file's path below the
# calling directory is its import path and its #include path, so tandem/cluster/v1/link.proto gives
# <tandem/cluster/v1/link.pb.h> and <tandem/cluster/v1/link.grpc.pb.h>; the headers and the .proto files are installed.
# Needs the package Protobuf and, without NO_GRPC, gRPC.
function(tandem_add_proto name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_GRPC" "" "PROTOS")
  set(target tandem_${name})
  set(base ${CMAKE_CURRENT_BINARY_DIR}/generated)
  set(headers "")
  set(sources "")
  set(suffixes .pb)
  set(grpc_arguments "")
  if(NOT arg_NO_GRPC)
    list(APPEND suffixes .grpc.pb)
    set(grpc_arguments --grpc_out=${base} --plugin=protoc-gen-grpc=$<TARGET_FILE:gRPC::grpc_cpp_plugin>)
  endif()
  foreach(proto IN LISTS arg_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" stem ${base}/${proto})
    list(TRANSFORM suffixes PREPEND ${stem} OUTPUT_VARIABLE stems)
    list(TRANSFORM stems APPEND .h OUTPUT_VARIABLE made_headers)
    list(TRANSFORM stems APPEND .cc OUTPUT_VARIABLE made_sources)
    add_custom_command(
      OUTPUT ${made_headers} ${made_sources}
      COMMAND ${CMAKE_COMMAND} -E make_directory ${base}
      COMMAND protobuf::protoc -I ${CMAKE_CURRENT_SOURCE_DIR} --cpp_out=${base} ${grpc_arguments}
              ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
      COMMENT "Generating ${proto}"
      VERBATIM)
    list(APPEND headers ${made_headers})
    list(APPEND sources ${made_sources})
    get_filename_component(folder ${proto} DIRECTORY)
    install(FILES ${proto} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/${folder})
  endforeach()

  add_library(${target} STATIC ${sources})
  add_library(tandem::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} VERIFY_INTERFACE_HEADER_SETS OFF)
  target_compile_features(${target} PUBLIC cxx_std_23)
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${base} FILES ${headers})
  target_include_directories(${target} SYSTEM INTERFACE $<BUILD_INTERFACE:${base}>)
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf)
  set(packages "Protobuf")
  if(NOT arg_NO_GRPC)
    # gRPC's headers call into absl::synchronization, which Debian's gRPC targets do not pass on.
    target_link_libraries(${target} PUBLIC gRPC::grpc++ absl::synchronization)
    list(APPEND packages "gRPC CONFIG")
  endif()
  _tandem_export(${name} PACKAGES ${packages})
endfunction()

# The end of every module: installs target tandem_NAME and remembers what tandemConfig.cmake has to say about it.
function(_tandem_export name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "NEEDS;PACKAGES")
  set(target tandem_${name})
  install(TARGETS ${target} EXPORT tandem_${name} FILE_SET HEADERS
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT tandem_${name} NAMESPACE tandem:: FILE tandem_${name}.cmake
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tandem)
  set(needs "")
  foreach(dep IN LISTS arg_NEEDS)
    if(dep MATCHES "^tandem::(.*)$")
      string(APPEND needs " ${CMAKE_MATCH_1}")
    endif()
  endforeach()
  string(STRIP "${needs}" needs)
  string(REPLACE " " ";" needs "${needs}")
  set(text "set(_tandem_${name}_needs \"${needs}\")\n")
  foreach(package IN LISTS arg_PACKAGES)
    string(APPEND text "list(APPEND _tandem_${name}_packages \"${package}\")\n")
  endforeach()
  set_property(GLOBAL APPEND_STRING PROPERTY TANDEM_COMPONENTS_TEXT "${text}")
  set_property(GLOBAL APPEND PROPERTY TANDEM_COMPONENTS ${name})
endfunction()

# Writes and installs tandemConfig.cmake for the modules added so far.
function(tandem_install_package)
  get_property(TANDEM_COMPONENTS GLOBAL PROPERTY TANDEM_COMPONENTS)
  get_property(TANDEM_COMPONENTS_TEXT GLOBAL PROPERTY TANDEM_COMPONENTS_TEXT)
  set(where ${CMAKE_INSTALL_LIBDIR}/cmake/tandem)
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/tandemConfig.cmake.in
                                ${PROJECT_BINARY_DIR}/tandemConfig.cmake INSTALL_DESTINATION ${where})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/tandemConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/tandemConfig.cmake ${PROJECT_BINARY_DIR}/tandemConfigVersion.cmake
          DESTINATION ${where})
endfunction()
