#include "kernels/dnnl/signal_shield.h"

#include <omp.h>

#include <initializer_list>

namespace sconce::kernels::onednn {
namespace {

sigset_t held_back() {
  sigset_t signals;
  sigfillset(&signals);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
    sigdelset(&signals, fault);
  }
  return signals;
}

const sigset_t& held_back_once() {
  static const sigset_t signals = held_back();
  return signals;
}

}  // namespace

SignalShield::SignalShield() { pthread_sigmask(SIG_BLOCK, &held_back_once(), &before_); }

SignalShield::~SignalShield() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

// The team is asked each time: OpenMP ends and makes threads as the sizes of its teams change.
void shield_team(int threads) {
  if (threads == 1) return;
#pragma omp parallel num_threads(threads)
  if (omp_get_thread_num() != 0) pthread_sigmask(SIG_BLOCK, &held_back_once(), nullptr);
}

}  // namespace sconce::kernels::onednn
