// OpenMP's pool is also oneDNN's: one pool in the process, no oversubscription.
#include "base/thread_team.h"

namespace sconce {

void run_team(int count, const std::function<void(int)>& work) {
#pragma omp parallel for num_threads(count) schedule(static, 1)
  for (int i = 0; i < count; ++i) work(i);
}

}  // namespace sconce
