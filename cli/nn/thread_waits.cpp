#include "nn/thread_waits.h"

#include <unistd.h>

#include <cstdlib>
#include <initializer_list>

namespace sconce::cli {

// By default libgomp's threads spin for milliseconds before they sleep. Where other programs want the
// processor that made training up to twenty times slower, and without them it gained nothing measurable
// (docs/performance.md). A short spin still covers the pause between two operations.
void choose_thread_waits(char** argv) {
  for (const char* name : {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}) {
    if (std::getenv(name) != nullptr) return;
  }
  if (::setenv("GOMP_SPINCOUNT", "1000", 0) != 0) return;
  ::execv("/proc/self/exe", argv);
  // Where that cannot be, everything works as it stands.
}

}  // namespace sconce::cli
