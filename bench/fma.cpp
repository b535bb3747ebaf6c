// How fast is the machine's arithmetic now?    bench_fma [THREADS] [SECONDS]
// Prints one JSON line.
#include <cstdio>
#include <cstdlib>

#include "nn/fma_loop.h"

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 0.1;
  std::printf("{\"gflops\": %.1f}\n", sconce::cli::fma_gflops(threads, seconds));
  return 0;
}
