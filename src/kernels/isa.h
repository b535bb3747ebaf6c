// The instruction set of the kernels that are written with Highway: the best one the processor has, or less
// on request.
#pragma once

#include <cstdint>

namespace sconce::kernels {

enum class Isa : std::uint8_t {
  kPlain,   // whatever every processor of the architecture has
  kAvx2,    // AVX2 and FMA
  kAvx512,  // AVX-512 F, BW, CD, DQ and VL
};

// The best instruction set here; on other architectures than x86-64 always kPlain.
Isa best_isa();
// The one in use: best_isa(), or SCONCE_ISA=plain|avx2|avx512 of the environment where that is less.
Isa isa();
// Sets it (never above best_isa()) and returns the previous one. For tests; no kernel may be running.
Isa set_isa(Isa isa);

}  // namespace sconce::kernels
