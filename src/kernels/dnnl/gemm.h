// Float32 matrix product by oneDNN.
#pragma once

#include <cstdint>

namespace sconce::kernels::onednn {

// One operand: element (i, j) lies at data[i * leading + j], or at data[j * leading + i] when transposed.
struct Matrix {
  const float* data;
  std::int64_t leading;
  bool transposed;
};

// c (n, m), rows `leading` apart, becomes a (n, k) x b (k, m) + beta * c.
void gemm(const Matrix& a, const Matrix& b, float* c, std::int64_t leading, std::int64_t n, std::int64_t m,
          std::int64_t k, float beta);

}  // namespace sconce::kernels::onednn
