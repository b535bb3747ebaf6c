# sconce_header_check(<layer>...)
# One object library, header_check, with a source per public header of these layers that includes it twice: it
# builds only when every header compiles alone and may be included again.
function(sconce_header_check)
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/header_check)
  foreach(layer ${ARGN})
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include
         ${PROJECT_SOURCE_DIR}/include/sconce/${layer}/*.h)
    foreach(header ${headers})
      string(MAKE_C_IDENTIFIER ${header} name)
      file(CONFIGURE OUTPUT ${folder}/${name}.cpp CONTENT "#include \"@header@\"\n#include \"@header@\"\n" @ONLY)
      list(APPEND sources ${folder}/${name}.cpp)
    endforeach()
    list(APPEND layers sconce::${layer})
  endforeach()
  add_library(header_check OBJECT ${sources})
  target_link_libraries(header_check PRIVATE sconce_flags ${layers})
  target_compile_options(header_check PRIVATE -O0) # the objects are thrown away
endfunction()
