#include "sconce/kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/operands.h"
#include "sconce/base/parallel.h"

namespace sconce::kernels {
namespace {

// A dense array seen as (outer, size, inner) around the dimension in question.
struct Lines {
  std::int64_t outer = 1, size = 1, inner = 1;
};

Lines lines_of(const Shape& shape, std::int64_t dim, std::string_view where) {
  const std::size_t at = normalize_dim(dim, shape.size(), where);
  Lines lines;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    (d < at ? lines.outer : d == at ? lines.size : lines.inner) *= shape[d];
  }
  return lines;
}

// Calls body(first element) for every line; its elements are `inner` apart.
template <class Body>
void for_each_line(const Lines& lines, Body&& body) {
  const std::int64_t grain = std::max<std::int64_t>(1, 4096 / std::max<std::int64_t>(lines.size, 1));
  parallel_for(lines.outer * lines.inner, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t line = begin; line < end; ++line) {
      body(line / lines.inner * lines.size * lines.inner + line % lines.inner);
    }
  });
}

template <class T>
T largest(const T* line, std::int64_t size, std::int64_t step) {
  T best = -std::numeric_limits<T>::infinity();
  for (std::int64_t i = 0; i < size; ++i) best = std::max(best, line[i * step]);
  // exp(-inf - -inf) would be NaN, as it should be: PyTorch gives NaN for a line of minus infinities too.
  return best;
}

// kernel(input line, output line) for every line of `input`, with a fresh output.
template <class Kernel>
Array map_lines(const Array& input, std::int64_t dim, std::string_view where, Kernel&& kernel) {
  const Lines lines = lines_of(input.shape(), dim, where);
  const Array x = input.contiguous();
  Array out = Array::empty(input.shape(), input.dtype());
  visit_floating(where, input.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>();
    T* result = out.mutable_data<T>();
    for_each_line(lines, [&](std::int64_t at) { kernel(in + at, result + at, lines.size, lines.inner); });
  });
  return out;
}

// kernel(grad line, output line, result line) for every line.
template <class Kernel>
Array map_lines(const Array& grad, const Array& output, std::int64_t dim, std::string_view where,
                Kernel&& kernel) {
  require(grad.shape() == output.shape(), ErrorCode::kShapeMismatch, where, "expected a gradient of shape ",
          output.shape(), ", found ", grad.shape());
  check_same_dtype(output, {&grad}, where);
  const Lines lines = lines_of(output.shape(), dim, where);
  const Array g = grad.contiguous();
  const Array y = output.contiguous();
  Array out = Array::empty(output.shape(), output.dtype());
  visit_floating(where, output.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* gradient = g.data<T>();
    const T* values = y.data<T>();
    T* result = out.mutable_data<T>();
    for_each_line(lines, [&](std::int64_t at) {
      kernel(gradient + at, values + at, result + at, lines.size, lines.inner);
    });
  });
  return out;
}

}  // namespace

Array softmax(const Array& input, std::int64_t dim) {
  return map_lines(input, dim, "softmax",
                   []<class T>(const T* in, T* out, std::int64_t size, std::int64_t step) {
                     const T top = largest(in, size, step);
                     double sum = 0;
                     for (std::int64_t i = 0; i < size * step; i += step) {
                       out[i] = std::exp(in[i] - top);
                       sum += static_cast<double>(out[i]);
                     }
                     for (std::int64_t i = 0; i < size * step; i += step) {
                       out[i] = static_cast<T>(static_cast<double>(out[i]) / sum);
                     }
                   });
}

Array log_softmax(const Array& input, std::int64_t dim) {
  return map_lines(input, dim, "log_softmax",
                   []<class T>(const T* in, T* out, std::int64_t size, std::int64_t step) {
                     const T top = largest(in, size, step);
                     double sum = 0;
                     for (std::int64_t i = 0; i < size * step; i += step)
                       sum += static_cast<double>(std::exp(in[i] - top));
                     const double log_sum = std::log(sum);
                     for (std::int64_t i = 0; i < size * step; i += step) {
                       out[i] = static_cast<T>(static_cast<double>(in[i] - top) - log_sum);
                     }
                   });
}

Array softmax_backward(const Array& grad, const Array& output, std::int64_t dim) {
  return map_lines(grad, output, dim, "softmax",
                   []<class T>(const T* g, const T* y, T* out, std::int64_t size, std::int64_t step) {
                     double dot = 0;
                     for (std::int64_t i = 0; i < size * step; i += step) {
                       dot += static_cast<double>(g[i]) * static_cast<double>(y[i]);
                     }
                     for (std::int64_t i = 0; i < size * step; i += step) {
                       out[i] = static_cast<T>(static_cast<double>(y[i]) * (static_cast<double>(g[i]) - dot));
                     }
                   });
}

Array log_softmax_backward(const Array& grad, const Array& output, std::int64_t dim) {
  return map_lines(grad, output, dim, "log_softmax",
                   []<class T>(const T* g, const T* y, T* out, std::int64_t size, std::int64_t step) {
                     double sum = 0;
                     for (std::int64_t i = 0; i < size * step; i += step) sum += static_cast<double>(g[i]);
                     for (std::int64_t i = 0; i < size * step; i += step) {
                       const auto probability = static_cast<double>(std::exp(y[i]));
                       out[i] = static_cast<T>(static_cast<double>(g[i]) - probability * sum);
                     }
                   });
}

}  // namespace sconce::kernels
