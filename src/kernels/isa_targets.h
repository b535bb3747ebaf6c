// To be included before hwy/foreach_target.h: the instruction sets that kernels are compiled for. Each costs
// compile time and size, so there is one for every level of Isa.
#pragma once

#include <hwy/detect_targets.h>

#undef HWY_DISABLED_TARGETS
// Arrays of vectors, which hold the sums of a tile, are not possible where the size of vectors is unknown
// (SVE, RVV).
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
