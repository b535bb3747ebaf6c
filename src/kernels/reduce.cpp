#include "sconce/kernels/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/dispatch.h"
#include "kernels/is_nan.h"

namespace sconce::kernels {
namespace {

// x seen as a matrix: a row for each output, the elements that become that output along it.
struct Rows {
  Rows(const Array& x, const Dims& dims, bool keepdim, std::string_view where)
      : reduced(reduced_dims(dims, x.rank(), where)),
        shape(reduced_shape(x.shape(), reduced, keepdim)),
        rows(shape.numel()),
        length(reduced_count(x.shape(), reduced)) {
    Dims order;
    for (const bool last : {false, true}) {
      for (std::size_t i = 0; i < x.rank(); ++i) {
        if (reduced[i] == last) order.push_back(static_cast<std::int64_t>(i));
      }
    }
    matrix = x.with_geometry(x.geometry().permute(order)).contiguous();
  }

  std::vector<bool> reduced;
  Shape shape;
  std::int64_t rows;
  std::int64_t length;
  Array matrix;
};

// out[row] = f(pointer to the row's elements, their number).
template <class Out, class In, class F>
void reduce_rows(const Rows& rows, Out* out, F f) {
  const In* first = reinterpret_cast<const In*>(rows.matrix.raw());
  const std::int64_t grain =
      std::max<std::int64_t>(1, kElementwiseGrain / std::max<std::int64_t>(1, rows.length));
  parallel_for(rows.rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r)
      out[r] = static_cast<Out>(f(first + r * rows.length, rows.length));
  });
}

DType accumulated_dtype(DType dtype) { return is_integral(dtype) ? kInt64 : dtype; }

// Where the first extreme (or the first NaN) stands; `better` is a strict order.
template <class T, class Better>
std::int64_t extreme(const T* x, std::int64_t n, Better better) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < n && !is_nan(x[best]); ++i) {
    if (is_nan(x[i]) || better(x[i], x[best])) best = i;
  }
  return best;
}

template <class Better>
Array extreme_values(std::string_view name, const Array& x, const Dims& dims, bool keepdim, Better better) {
  if (is_half(x.dtype()))
    return extreme_values(name, x.cast(kFloat32), dims, keepdim, better).cast(x.dtype());
  const Rows rows(x, dims, keepdim, name);
  require(rows.length > 0, ErrorCode::kInvalidArgument, name, "shape ", x.shape(),
          " has no elements to choose from");
  Array out = Array::empty(rows.shape, x.dtype());
  visit_real(name, x.dtype(), [&]<class T>(std::type_identity<T>) {
    reduce_rows<T, T>(rows, out.mutable_data<T>(),
                      [&](const T* p, std::int64_t n) { return p[extreme(p, n, better)]; });
  });
  return out;
}

template <class Better>
std::pair<Array, Array> extremes_with_index(std::string_view name, const Array& x, std::int64_t dim,
                                            bool keepdim, Better better) {
  if (is_half(x.dtype())) {
    auto [values, indices] = extremes_with_index(name, x.cast(kFloat32), dim, keepdim, better);
    return {values.cast(x.dtype()), indices};
  }
  const Rows rows(x, {dim}, keepdim, name);
  require(rows.length > 0, ErrorCode::kInvalidArgument, name, "dimension ", dim, " of shape ", x.shape(),
          " has no elements to choose from");
  Array values = Array::empty(rows.shape, x.dtype());
  Array indices = Array::empty(rows.shape, kInt64);
  auto* at = indices.mutable_data<std::int64_t>();
  visit_real(name, x.dtype(), [&]<class T>(std::type_identity<T>) {
    reduce_rows<std::int64_t, T>(rows, at, [&](const T* p, std::int64_t n) { return extreme(p, n, better); });
    const T* first = rows.matrix.data<T>();
    T* out = values.mutable_data<T>();
    for (std::int64_t r = 0; r < rows.rows; ++r) out[r] = first[r * rows.length + at[r]];
  });
  return {values, indices};
}

template <class F>
Array truth(std::string_view name, const Array& x, const Dims& dims, bool keepdim, F f) {
  if (is_half(x.dtype())) return truth(name, x.cast(kFloat32), dims, keepdim, f);
  const Rows rows(x, dims, keepdim, name);
  Array out = Array::empty(rows.shape, kBool);
  visit_real(name, x.dtype(), [&]<class T>(std::type_identity<T>) {
    reduce_rows<bool, T>(rows, out.mutable_data<bool>(), [&](const T* p, std::int64_t n) {
      return f(p, p + n, [](T v) { return v != T(0); });
    });
  });
  return out;
}

double row_norm(double p, std::int64_t n, const auto& magnitude) {
  if (p == std::numeric_limits<double>::infinity()) {
    double largest = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const double m = magnitude(i);
      if (m > largest || m != m) largest = m;
      if (m != m) break;
    }
    return largest;
  }
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const double m = magnitude(i);
    if (p == 2) {
      total += m * m;
    } else if (p == 0) {
      total += m != 0 ? 1 : 0;
    } else {
      total += p == 1 ? m : std::pow(m, p);
    }
  }
  if (p == 0 || p == 1) return total;
  return p == 2 ? std::sqrt(total) : std::pow(total, 1 / p);
}

}  // namespace

Array prod(const Array& x, const Dims& dims, bool keepdim) {
  if (is_half(x.dtype())) return prod(x.cast(kFloat32), dims, keepdim).cast(x.dtype());
  const Rows rows(x, dims, keepdim, "prod");
  Array out = Array::empty(rows.shape, accumulated_dtype(x.dtype()));
  visit_real("prod", x.dtype(), [&]<class T>(std::type_identity<T>) {
    using Sum = std::conditional_t<std::is_floating_point_v<T>, T, std::uint64_t>;
    using Out = std::conditional_t<std::is_floating_point_v<T>, T, std::int64_t>;
    reduce_rows<Out, T>(rows, out.mutable_data<Out>(), [](const T* p, std::int64_t n) {
      Sum total = 1;
      for (std::int64_t i = 0; i < n; ++i) total *= static_cast<Sum>(p[i]);
      return total;
    });
  });
  return out;
}

Array var(const Array& x, const Dims& dims, bool keepdim, double correction) {
  if (is_half(x.dtype())) return var(x.cast(kFloat32), dims, keepdim, correction).cast(x.dtype());
  const Rows rows(x, dims, keepdim, "var");
  Array out = Array::empty(rows.shape, x.dtype());
  visit_floating("var", x.dtype(), [&]<class T>(std::type_identity<T>) {
    reduce_rows<T, T>(rows, out.mutable_data<T>(), [correction](const T* p, std::int64_t n) {
      double mean = 0;
      for (std::int64_t i = 0; i < n; ++i) mean += static_cast<double>(p[i]);
      mean /= static_cast<double>(n);
      double squares = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        const double distance = static_cast<double>(p[i]) - mean;
        squares += distance * distance;
      }
      return squares / std::max(0.0, static_cast<double>(n) - correction);
    });
  });
  return out;
}

Array norm(const Array& x, const Dims& dims, bool keepdim, double p) {
  require(p >= 0, ErrorCode::kInvalidArgument, "norm", "the order must not be negative, it is ", p);
  if (is_half(x.dtype())) return norm(x.cast(kFloat32), dims, keepdim, p).cast(x.dtype());
  const Rows rows(x, dims, keepdim, "norm");
  Array out = Array::empty(rows.shape, x.dtype());
  visit_floating("norm", x.dtype(), [&]<class T>(std::type_identity<T>) {
    reduce_rows<T, T>(rows, out.mutable_data<T>(), [order = p](const T* v, std::int64_t n) {
      return row_norm(order, n, [v](std::int64_t i) { return std::fabs(static_cast<double>(v[i])); });
    });
  });
  return out;
}

Array max(const Array& x, const Dims& dims, bool keepdim) {
  return extreme_values("max", x, dims, keepdim, [](auto a, auto b) { return a > b; });
}

Array min(const Array& x, const Dims& dims, bool keepdim) {
  return extreme_values("min", x, dims, keepdim, [](auto a, auto b) { return a < b; });
}

std::pair<Array, Array> max_with_index(const Array& x, std::int64_t dim, bool keepdim) {
  return extremes_with_index("max", x, dim, keepdim, [](auto a, auto b) { return a > b; });
}

std::pair<Array, Array> min_with_index(const Array& x, std::int64_t dim, bool keepdim) {
  return extremes_with_index("min", x, dim, keepdim, [](auto a, auto b) { return a < b; });
}

Array all(const Array& x, const Dims& dims, bool keepdim) {
  return truth("all", x, dims, keepdim,
               [](auto* first, auto* last, auto test) { return std::all_of(first, last, test); });
}

Array any(const Array& x, const Dims& dims, bool keepdim) {
  return truth("any", x, dims, keepdim,
               [](auto* first, auto* last, auto test) { return std::any_of(first, last, test); });
}

Array reference::sum(const Array& x, const Dims& dims, bool keepdim) {
  const Rows rows(x, dims, keepdim, "sum");
  Array out = Array::empty(rows.shape, accumulated_dtype(x.dtype()));
  visit_real("sum", x.dtype(), [&]<class T>(std::type_identity<T>) {
    using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
    using Out = std::conditional_t<std::is_floating_point_v<T>, T, std::int64_t>;
    reduce_rows<Out, T>(rows, out.mutable_data<Out>(), [](const T* p, std::int64_t n) {
      Sum total = 0;
      for (std::int64_t i = 0; i < n; ++i) total += static_cast<Sum>(p[i]);
      return total;
    });
  });
  return out;
}

}  // namespace sconce::kernels
