#include "kernels/dnnl/runtime.h"

#include <omp.h>

#include "sconce/base/parallel.h"

namespace sconce::kernels::onednn {
namespace {

// Waking a second thread costs a few microseconds on a quiet machine and milliseconds on a busy one: not
// worth it below this many multiplications.
constexpr double kWorkForThreads = 4e6;

}  // namespace

const dnnl::engine& engine() {
  static const dnnl::engine instance(dnnl::engine::kind::cpu, 0);
  return instance;
}

dnnl::stream& stream() {
  thread_local dnnl::stream instance(engine());
  return instance;
}

int thread_count(double work) { return work < kWorkForThreads || omp_in_parallel() != 0 ? 1 : num_threads(); }

ThreadScope::ThreadScope(int threads) : before_(omp_get_max_threads()) {
  if (threads != before_) omp_set_num_threads(threads);
}

ThreadScope::~ThreadScope() {
  if (omp_get_max_threads() != before_) omp_set_num_threads(before_);
}

}  // namespace sconce::kernels::onednn
