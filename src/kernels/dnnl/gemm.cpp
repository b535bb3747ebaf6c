#include "kernels/dnnl/gemm.h"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/dnnl/runtime.h"
#include "kernels/dnnl/signal_shield.h"
#include "sconce/base/error.h"
#include "sconce/base/parallel.h"

namespace sconce::kernels::onednn {
namespace {

// The part of `matrix` that begins at row `row` and column `column`.
Matrix part(const Matrix& matrix, std::int64_t row, std::int64_t column) {
  const std::int64_t offset =
      matrix.transposed ? column * matrix.leading + row : row * matrix.leading + column;
  return {matrix.data + offset, matrix.leading, matrix.transposed};
}

void gemm_here(const Matrix& a, const Matrix& b, float* c, std::int64_t leading, std::int64_t n,
               std::int64_t m, std::int64_t k, float beta) {
  const ThreadScope one_thread(1);
  const SignalShield shield;
  const dnnl::status status = dnnl::sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', n, m, k, 1.0F,
                                          a.data, a.leading, b.data, b.leading, beta, c, leading);
  require(status == dnnl::status::success, ErrorCode::kUnsupported, "matmul", "oneDNN refused (", n, ", ", k,
          ") x (", k, ", ", m, ") with status ", static_cast<int>(status));
}

}  // namespace

// Threads take stripes of the longer side of c, so that each can hold back its signals.
void gemm(const Matrix& a, const Matrix& b, float* c, std::int64_t leading, std::int64_t n, std::int64_t m,
          std::int64_t k, float beta) {
  constexpr std::int64_t kStripe = 16;  // a vector's width
  const bool by_rows = n >= m;
  const std::int64_t length = by_rows ? n : m;
  const std::int64_t stripes = (length - 1) / kStripe + 1;
  const int threads = thread_count(static_cast<double>(n) * static_cast<double>(m) * static_cast<double>(k));
  parallel_for(stripes, threads == 1 ? stripes : 1, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t begin = first * kStripe;
    const std::int64_t count = std::min(last * kStripe, length) - begin;
    if (by_rows) {
      gemm_here(part(a, begin, 0), b, c + begin * leading, leading, count, m, k, beta);
    } else {
      gemm_here(a, part(b, 0, begin), c + begin, leading, n, count, k, beta);
    }
  });
}

}  // namespace sconce::kernels::onednn
