#include "kernels/dnnl/gemm.h"

#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/dnnl/runtime.h"
#include "sconce/base/error.h"

namespace sconce::kernels::onednn {

void gemm(const Matrix& a, const Matrix& b, float* c, std::int64_t leading, std::int64_t n, std::int64_t m,
          std::int64_t k, float beta) {
  const double work = static_cast<double>(n) * static_cast<double>(m) * static_cast<double>(k);
  const ThreadScope threads(thread_count(work));
  const dnnl::status status = dnnl::sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', n, m, k, 1.0F,
                                          a.data, a.leading, b.data, b.leading, beta, c, leading);
  require(status == dnnl::status::success, ErrorCode::kUnsupported, "matmul", "oneDNN refused (", n, ", ", k,
          ") x (", k, ", ", m, ") with status ", static_cast<int>(status));
}

}  // namespace sconce::kernels::onednn
