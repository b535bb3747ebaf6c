// oneDNN's generated float32 matrix products keep a buffer on the heap in the stack pointer while they run
// (its jit_avx512_common_gemm_f32.cpp and jit_avx_gemm_f32.cpp). A signal handled meanwhile writes its frame
// below that buffer, over memory of somebody else. So nothing of oneDNN's that may multiply matrices runs in
// a thread that takes signals.
#pragma once

#include <csignal>

namespace sconce::kernels::onednn {

// Holds back this thread's signals for a scope, but those that report a fault of the thread itself.
class SignalShield {
 public:
  SignalShield();
  ~SignalShield();
  SignalShield(const SignalShield&) = delete;
  SignalShield& operator=(const SignalShield&) = delete;

 private:
  sigset_t before_{};
};

// The same for the other threads of an OpenMP team of `threads`, which take no more signals from here on.
void shield_team(int threads);

}  // namespace sconce::kernels::onednn
