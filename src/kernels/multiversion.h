// Runs a kernel with AVX2 and FMA instructions where the processor has them. The bits are the same either
// way: std::fma rounds once in software too, and nothing else is contracted.
#pragma once

namespace sconce::kernels {

#if defined(__x86_64__)

inline bool has_avx2_fma() {
  static const bool supported = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return supported;
}

template <class Body>
__attribute__((target("avx2,fma"))) void run_with_avx2_fma(const Body& body) {
  body();
}

#else

inline bool has_avx2_fma() { return false; }

template <class Body>
void run_with_avx2_fma(const Body& body) {
  body();
}

#endif

// Marks lambdas and functions that must become part of the version that calls them.
#define SCONCE_ALWAYS_INLINE __attribute__((always_inline))

// Calls body(), a lambda marked SCONCE_ALWAYS_INLINE, in the version that fits the processor.
template <class Body>
void multiversion(const Body& body) {
  if (has_avx2_fma()) {
    run_with_avx2_fma(body);
  } else {
    body();
  }
}

}  // namespace sconce::kernels
