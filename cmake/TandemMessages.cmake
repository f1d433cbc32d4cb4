# tandem_add_messages(TARGET PROTOS…): a static library of Protobuf messages for programs and tests of this tree.
# Headers are included as the .proto files are named, relative to the calling folder.
function(tandem_add_messages target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "PROTOS")
  find_package(Protobuf REQUIRED)
  set(base ${CMAKE_CURRENT_BINARY_DIR}/generated)
  set(sources "")
  foreach(proto IN LISTS arg_PROTOS)
    string(REGEX REPLACE "\\.proto$" "" stem ${base}/${proto})
    add_custom_command(
      OUTPUT ${stem}.pb.h ${stem}.pb.cc
      COMMAND ${CMAKE_COMMAND} -E make_directory ${base}
      COMMAND protobuf::protoc -I ${CMAKE_CURRENT_SOURCE_DIR} --cpp_out=${base} ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
      COMMENT "Generating ${proto}"
      VERBATIM)
    list(APPEND sources ${stem}.pb.cc)
  endforeach()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} SYSTEM PUBLIC ${base})
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf)
endfunction()
