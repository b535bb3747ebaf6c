# Flags shared by every target: warnings, numerics, sanitizers.
add_library(sconce_flags INTERFACE)
target_compile_features(sconce_flags INTERFACE cxx_std_20)
target_compile_options(
  sconce_flags
  INTERFACE -Wall
            -Wextra
            -Wpedantic
            -Wshadow
            -Wnon-virtual-dtor
            -Woverloaded-virtual
            # Bits must not depend on what the compiler fuses: std::fma stands where PyTorch fuses.
            -ffp-contract=off)
# What sanitizers add hides from g++ what it would have known of sizes and of what is set: false alarms, which the other
# builds of the same files do not have.
if(SCONCE_WERROR AND NOT SCONCE_SANITIZE)
  target_compile_options(sconce_flags INTERFACE -Werror)
endif()
if(SCONCE_SANITIZE)
  target_compile_options(sconce_flags INTERFACE -fsanitize=${SCONCE_SANITIZE} -fno-omit-frame-pointer
                                                -fno-sanitize-recover=all)
  target_link_options(sconce_flags INTERFACE -fsanitize=${SCONCE_SANITIZE})
endif()
if(SCONCE_FUZZ)
  target_compile_options(sconce_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
