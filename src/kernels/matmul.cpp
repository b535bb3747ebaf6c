#include "sconce/kernels/matmul.h"

#include <algorithm>

#include "kernels/dispatch.h"
#include "kernels/dnnl/gemm.h"
#include "kernels/multiversion.h"
#include "sconce/kernels/backend.h"

namespace sconce::kernels {
namespace {

void check(const Array& a, const Array& b) {
  require(a.rank() == 2 && b.rank() == 2 && a.shape()[1] == b.shape()[0], ErrorCode::kShapeMismatch, "matmul",
          "cannot multiply ", a.shape(), " by ", b.shape());
  require_same_dtype("matmul", a, b);
}

// True when the columns (or, transposed, the rows) lie densely, which is what a BLAS takes.
bool is_dense_matrix(const Array& x, bool transposed) {
  const std::size_t dense = transposed ? 0 : 1;
  const std::size_t other = 1 - dense;
  return (x.strides()[dense] == 1 || x.shape()[dense] == 1) &&
         (x.strides()[other] >= std::max<std::int64_t>(1, x.shape()[dense]) || x.shape()[other] == 1);
}

// `x` as oneDNN takes it; `copy` keeps a dense copy alive where the strides demand one.
onednn::Matrix blas_matrix(const Array& x, Array& copy) {
  const bool plain = is_dense_matrix(x, false);
  const bool transposed = !plain && is_dense_matrix(x, true);
  if (!plain && !transposed) {
    copy = x.contiguous();
    return {copy.data<float>(), std::max<std::int64_t>(1, copy.shape()[1]), false};
  }
  const std::size_t dense = transposed ? 0 : 1;
  const std::int64_t least = std::max<std::int64_t>(1, x.shape()[dense]);
  // With one row the distance between rows means nothing, but it is checked.
  return {x.data<float>(), x.shape()[1 - dense] == 1 ? least : x.strides()[1 - dense], transposed};
}

// c += a x b over rows [begin, end) of a: four rows of c at a time stay in cache with a block of b.
template <class T>
SCONCE_ALWAYS_INLINE inline void multiply_rows(const T* a, std::int64_t a_row, std::int64_t a_column,
                                               const T* b, T* c, std::int64_t m, std::int64_t k,
                                               std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t kDepth = 128;
  constexpr std::int64_t kWidth = 512;
  for (std::int64_t p0 = 0; p0 < k; p0 += kDepth) {
    const std::int64_t p1 = std::min(p0 + kDepth, k);
    for (std::int64_t j0 = 0; j0 < m; j0 += kWidth) {
      const std::int64_t width = std::min(kWidth, m - j0);
      for (std::int64_t i = begin; i < end; ++i) {
        T* row = c + i * m + j0;
        for (std::int64_t p = p0; p < p1; ++p) {
          const T factor = a[i * a_row + p * a_column];
          const T* from = b + p * m + j0;
          for (std::int64_t j = 0; j < width; ++j) row[j] += factor * from[j];
        }
      }
    }
  }
}

template <class T>
void plain_matmul_into(Array& target, const Array& a, const Array& b) {
  const Array dense = b.contiguous();
  const std::int64_t m = target.shape()[1];
  const std::int64_t k = a.shape()[1];
  T* c = target.mutable_data<T>();
  const std::int64_t grain = std::max<std::int64_t>(1, 100000 / std::max<std::int64_t>(1, m * k));
  parallel_for(a.shape()[0], grain, [&](std::int64_t begin, std::int64_t end) {
    multiversion([&]() SCONCE_ALWAYS_INLINE {
      multiply_rows(a.data<T>(), a.strides()[0], a.strides()[1], dense.data<T>(), c, m, k, begin, end);
    });
  });
}

// target = a x b + beta * target, beta 0 or 1.
void gemm(Array& target, const Array& a, const Array& b, bool accumulate) {
  if (a.dtype() == kFloat32 && backend() != Backend::kReference && a.numel() > 0 && b.numel() > 0) {
    Array copy_a;
    Array copy_b;
    const onednn::Matrix left = blas_matrix(a, copy_a);
    const onednn::Matrix right = blas_matrix(b, copy_b);
    const std::int64_t m = b.shape()[1];
    onednn::gemm(left, right, target.mutable_data<float>(), m, a.shape()[0], m, a.shape()[1],
                 accumulate ? 1.0F : 0.0F);
    return;
  }
  if (!accumulate) std::fill_n(target.mutable_raw(), target.nbytes(), std::byte{0});
  visit_floating("matmul", a.dtype(),
                 [&]<class T>(std::type_identity<T>) { plain_matmul_into<T>(target, a, b); });
}

}  // namespace

Array matmul(const Array& a, const Array& b) {
  check(a, b);
  if (is_half(a.dtype())) return matmul(a.cast(kFloat32), b.cast(kFloat32)).cast(a.dtype());
  Array out = Array::empty({a.shape()[0], b.shape()[1]}, a.dtype());
  gemm(out, a, b, false);
  return out;
}

void matmul_into(Array& target, const Array& a, const Array& b) {
  check(a, b);
  require_same_dtype("matmul", target, a);
  require(target.shape() == Shape{a.shape()[0], b.shape()[1]} && target.is_contiguous(),
          ErrorCode::kShapeMismatch, "matmul", "the product of ", a.shape(), " and ", b.shape(),
          " cannot be added to ", target.shape());
  gemm(target, a, b, true);
}

Array batched_matmul(const Array& a, const Array& b) {
  require(a.rank() == 3 && b.rank() == 3 && a.shape()[0] == b.shape()[0] && a.shape()[2] == b.shape()[1],
          ErrorCode::kShapeMismatch, "matmul", "cannot multiply ", a.shape(), " by ", b.shape());
  require_same_dtype("matmul", a, b);
  if (is_half(a.dtype())) return batched_matmul(a.cast(kFloat32), b.cast(kFloat32)).cast(a.dtype());
  Array out = Array::empty({a.shape()[0], a.shape()[1], b.shape()[2]}, a.dtype());
  const std::int64_t work = a.shape()[1] * a.shape()[2] * b.shape()[2];
  // Large products use the threads themselves.
  const std::int64_t grain = work >= 1'000'000
                                 ? a.shape()[0]
                                 : std::max<std::int64_t>(1, 1'000'000 / std::max<std::int64_t>(1, work));
  parallel_for(a.shape()[0], grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      Array part = out.select(0, i);
      gemm(part, a.select(0, i), b.select(0, i), false);
    }
  });
  return out;
}

Array reference::matmul(const Array& a, const Array& b) {
  check(a, b);
  Array out = Array::empty({a.shape()[0], b.shape()[1]}, a.dtype());
  visit_floating("matmul", a.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* pa = a.data<T>();
    const T* pb = b.data<T>();
    T* pc = out.mutable_data<T>();
    for (std::int64_t i = 0; i < a.shape()[0]; ++i) {
      for (std::int64_t j = 0; j < b.shape()[1]; ++j) {
        double total = 0;
        for (std::int64_t p = 0; p < a.shape()[1]; ++p) {
          total += static_cast<double>(pa[i * a.strides()[0] + p * a.strides()[1]]) *
                   static_cast<double>(pb[p * b.strides()[0] + j * b.strides()[1]]);
        }
        *pc++ = static_cast<T>(total);
      }
    }
  });
  return out;
}

}  // namespace sconce::kernels
