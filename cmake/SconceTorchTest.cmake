# sconce_torch_tests()
# The interchange tests: each tests/torch/test_*.py under each Python, as torch.<python>.<case>. A Python
# without PyTorch skips (exit status 77) and says so.
set(SCONCE_TORCH_PYTHONS "$ENV{SCONCE_TORCH_PYTHONS}"
    CACHE STRING "Python interpreters with PyTorch for tests/torch, separated by ; or : (besides the system's)")

function(sconce_torch_tests)
  string(REPLACE ":" ";" pythons "${SCONCE_TORCH_PYTHONS}")
  find_program(SCONCE_SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
  if(SCONCE_SYSTEM_PYTHON)
    list(APPEND pythons ${SCONCE_SYSTEM_PYTHON})
  endif()
  list(REMOVE_DUPLICATES pythons)
  file(GLOB cases CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/torch/test_*.py)
  math(EXPR limit "600 * ${SCONCE_TEST_SLOWNESS}")
  foreach(python ${pythons})
    if(python STREQUAL SCONCE_SYSTEM_PYTHON)
      set(label system)
    else()
      # <folder>/bin/python is named after the folder of its virtual environment.
      cmake_path(GET python PARENT_PATH label)
      cmake_path(GET label PARENT_PATH label)
      cmake_path(GET label FILENAME label)
      string(REGEX REPLACE "^torch-" "" label "${label}")
    endif()
    foreach(case ${cases})
      cmake_path(GET case STEM LAST_ONLY name)
      string(REGEX REPLACE "^test_" "" name ${name})
      add_test(NAME torch.${label}.${name} COMMAND ${python} ${PROJECT_SOURCE_DIR}/tests/torch/run.py ${case})
      set_tests_properties(
        torch.${label}.${name}
        PROPERTIES SKIP_RETURN_CODE 77
                   TIMEOUT ${limit}
                   LABELS torch
                   ENVIRONMENT "SCONCE_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};PYTHONDONTWRITEBYTECODE=1")
    endforeach()
  endforeach()
endfunction()
