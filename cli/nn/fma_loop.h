// How fast the machine's arithmetic is, as a measure for everything else.
#pragma once

namespace sconce::cli {

// Billions of float32 operations a second that `threads` threads do while they only multiply and add in
// registers, measured for about `seconds`. Error kInterrupted when a stop is requested.
double fma_gflops(int threads, double seconds);

}  // namespace sconce::cli
