# sconce_test_layer(<name> [LINK <library>...])
# One GoogleTest program, test_<name>, from tests/<name>/**_test.cpp; every test in it is a ctest test.
# Suites named *Threads carry the ctest label `threads` (run under the thread sanitizer), suites named *Long the
# label `long` (scripts/test --long only).
function(sconce_test_layer name)
  cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${name}/*_test.cpp)
  if(NOT sources)
    return()
  endif()
  add_executable(test_${name} ${sources})
  target_include_directories(test_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(test_${name} PRIVATE SCONCE_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                                  SCONCE_BINARY_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  target_link_libraries(test_${name} PRIVATE sconce_flags sconce::${name} ${arg_LINK} GTest::gmock GTest::gtest_main)
  # What is tested is optimised as ever; the tests themselves need not be, and compile in two thirds of the time.
  target_compile_options(test_${name} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O1>)
  sconce_unity(test_${name})
  set(common TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 120)
  math(EXPR limit "300 * ${SCONCE_TEST_SLOWNESS}")
  gtest_discover_tests(test_${name} ${common} TEST_FILTER "-*Threads.*:*Long.*" PROPERTIES TIMEOUT ${limit})
  gtest_discover_tests(test_${name} ${common} TEST_FILTER "*Threads.*" PROPERTIES TIMEOUT ${limit} LABELS threads)
  gtest_discover_tests(test_${name} ${common} TEST_FILTER "*Long.*" PROPERTIES TIMEOUT 3600 LABELS long)
endfunction()
