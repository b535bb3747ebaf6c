// oneDNN's engine and stream, and how many threads its primitives take.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

namespace sconce::kernels::onednn {

// The CPU engine, made at first use.
const dnnl::engine& engine();
// This thread's stream.
dnnl::stream& stream();

// Threads for a primitive of `work` multiplications: one when it is small or when the caller is itself a
// piece of a parallel loop, else num_threads(). A primitive must be created and run under the same number.
int thread_count(double work);

// Sets the number of threads oneDNN sees in this thread, for a scope.
class ThreadScope {
 public:
  explicit ThreadScope(int threads);
  ~ThreadScope();
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

}  // namespace sconce::kernels::onednn
