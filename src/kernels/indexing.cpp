#include "sconce/kernels/indexing.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/dispatch.h"
#include "kernels/is_nan.h"

namespace sconce::kernels {
namespace {

// The indices densely, all within [0, size).
Array checked_indices(std::string_view name, const Array& index, std::int64_t size) {
  require(index.dtype() == kInt64, ErrorCode::kDTypeMismatch, name, "indices must be int64, they are ",
          index.dtype());
  Array dense = index.contiguous();
  const auto* first = dense.data<std::int64_t>();
  for (std::int64_t i = 0; i < dense.numel(); ++i) {
    require(first[i] >= 0 && first[i] < size, ErrorCode::kIndexOutOfRange, name, "index ", first[i],
            " is out of range for size ", size);
  }
  return dense;
}

// A 0-d array counts as one dimension of size 1.
Array at_least_1d(const Array& x) { return x.rank() == 0 ? x.unsqueeze(0) : x; }

// Calls f(offset of the element in x along dim excluded, flat index position) for the elements of an index
// array of x's rank, in row-major order.
struct IndexedWalk {
  IndexedWalk(std::string_view name, const Array& x, std::int64_t along, const Array& index)
      : dim(normalize_dim(along, x.rank(), name)), shape(index.shape()) {
    require(index.rank() == x.rank(), ErrorCode::kShapeMismatch, name, "the index ", index.shape(),
            " needs the rank of ", x.shape());
    for (std::size_t d = 0; d < x.rank(); ++d) {
      require(d == dim || index.shape()[d] <= x.shape()[d], ErrorCode::kShapeMismatch, name, "the index ",
              index.shape(), " exceeds ", x.shape(), " in dimension ", d);
    }
  }

  // Offsets, without dim, of all index positions in an array of these strides.
  template <class F>
  void each(const Strides& strides, const std::int64_t* index, F f) const {
    Dims position(shape.size());
    const std::int64_t count = shape.numel();
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t offset = index[i] * strides[dim];
      for (std::size_t d = 0; d < position.size(); ++d) offset += d == dim ? 0 : position[d] * strides[d];
      f(offset, i);
      for (std::size_t d = position.size(); d-- > 0;) {
        if (++position[d] < shape[d]) break;
        position[d] = 0;
      }
    }
  }

  std::size_t dim;
  Shape shape;
};

// The part of `source` an index array reaches, densely.
Array source_for(std::string_view name, const Array& target, const Array& source, const Array& index) {
  require_same_dtype(name, target, source);
  require(source.rank() == index.rank(), ErrorCode::kShapeMismatch, name, "the index ", index.shape(),
          " needs the rank of the source ", source.shape());
  Array part = source;
  for (std::size_t d = 0; d < index.rank(); ++d) {
    require(index.shape()[d] <= source.shape()[d], ErrorCode::kShapeMismatch, name, "the index ",
            index.shape(), " exceeds the source ", source.shape());
    part = part.narrow(static_cast<std::int64_t>(d), 0, index.shape()[d]);
  }
  return part.contiguous();
}

}  // namespace

Array cat(std::span<const Array> arrays, std::int64_t dim) {
  require(!arrays.empty(), ErrorCode::kInvalidArgument, "cat", "expected at least one tensor");
  const std::size_t d = normalize_dim(dim, arrays[0].rank(), "cat");
  require(arrays[0].rank() > 0, ErrorCode::kShapeMismatch, "cat", "0-d tensors cannot be joined; stack them");
  Shape shape = arrays[0].shape();
  shape[d] = 0;
  for (const Array& x : arrays) {
    require_same_dtype("cat", arrays[0], x);
    Shape expected = shape;
    expected[d] = x.rank() == shape.size() ? x.shape()[d] : 0;
    require(x.shape() == expected, ErrorCode::kShapeMismatch, "cat", "shapes ", arrays[0].shape(), " and ",
            x.shape(), " differ outside dimension ", d);
    shape[d] += expected[d];
  }
  Array out = Array::empty(shape, arrays[0].dtype());
  std::int64_t at = 0;
  for (const Array& x : arrays) {
    Array part = out.narrow(static_cast<std::int64_t>(d), at, x.shape()[d]);
    part.copy_from(x);
    at += x.shape()[d];
  }
  return out;
}

Array index_select(const Array& source, std::int64_t dim, const Array& index) {
  const Array x = at_least_1d(source);
  const std::size_t d = normalize_dim(dim, x.rank(), "index_select");
  require(index.rank() <= 1, ErrorCode::kShapeMismatch, "index_select",
          "the index must have one dimension, it is ", index.shape());
  const Array at = checked_indices("index_select", index, x.shape()[d]);
  const auto* rows = at.data<std::int64_t>();
  Shape shape = x.shape();
  shape[d] = at.numel();
  Array out = Array::empty(shape, x.dtype());
  if (out.numel() == 0) return out.view(source.rank() == 0 ? Shape{} : shape);
  // With the chosen dimension first, each index moves one slice; slices of contiguous rows are one copy.
  const Array from = x.transpose(0, static_cast<std::int64_t>(d));
  const Array to = out.transpose(0, static_cast<std::int64_t>(d));
  const Shape slice = from.select(0, 0).shape();
  const Strides from_strides = from.select(0, 0).strides();
  const Strides to_strides = to.select(0, 0).strides();
  std::byte* target = out.mutable_raw();
  const auto item = static_cast<std::int64_t>(x.itemsize());
  const std::int64_t grain =
      std::max<std::int64_t>(1, kElementwiseGrain / std::max<std::int64_t>(1, slice.numel()));
  parallel_for(at.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      copy_strided(target + i * to.strides()[0] * item, to_strides,
                   from.raw() + rows[i] * from.strides()[0] * item, from_strides, slice, x.itemsize());
    }
  });
  return out.view(source.rank() == 0 ? Shape{} : shape);
}

void index_add(Array& target, std::int64_t dim, const Array& index, const Array& source) {
  const std::size_t d = normalize_dim(dim, target.rank(), "index_add");
  require(index.rank() <= 1, ErrorCode::kShapeMismatch, "index_add",
          "the index must have one dimension, it is ", index.shape());
  require_same_dtype("index_add", target, source);
  Shape expected = target.shape();
  if (!expected.empty()) expected[d] = index.numel();
  require(source.shape() == expected, ErrorCode::kShapeMismatch, "index_add", "the source has shape ",
          source.shape(), ", expected ", expected);
  Array to = at_least_1d(target);
  const Array from = at_least_1d(source);
  const Array at = checked_indices("index_add", index, to.shape()[d]);
  const Array to_rows = to.transpose(0, static_cast<std::int64_t>(d));
  const Array from_rows = from.transpose(0, static_cast<std::int64_t>(d));
  if (from.numel() == 0) return;
  const auto* rows = at.data<std::int64_t>();
  visit_real("index_add", target.dtype(), [&]<class T>(std::type_identity<T>) {
    T* first = to.mutable_data<T>();
    const Strides strides = to_rows.select(0, 0).strides();
    for (std::int64_t i = 0; i < at.numel(); ++i) {
      const Array part = from_rows.select(0, i);
      const LoopNest<2> nest(part.shape(), {strides, part.strides()});
      const T* values = part.data<T>();
      T* base = first + rows[i] * to_rows.strides()[0];
      for (std::int64_t r = 0; r < nest.rows; ++r) {
        const auto offset = nest.offsets(r);
        for (std::int64_t j = 0; j < nest.inner; ++j) {
          T& slot = base[offset[0] + j * nest.step[0]];
          slot = static_cast<T>(slot + values[offset[1] + j * nest.step[1]]);
        }
      }
    }
  });
}

Array gather(const Array& source, std::int64_t dim, const Array& index) {
  const Array x = at_least_1d(source);
  const Array positions = at_least_1d(index);
  const IndexedWalk walk("gather", x, dim, positions);
  const Array at = checked_indices("gather", positions, x.shape()[walk.dim]);
  Array out = Array::empty(index.shape(), x.dtype());
  visit_itemsize(x.itemsize(), [&]<class T>(std::type_identity<T>) {
    const T* from = reinterpret_cast<const T*>(x.raw());
    T* to = reinterpret_cast<T*>(out.mutable_raw());
    walk.each(x.strides(), at.data<std::int64_t>(),
              [&](std::int64_t offset, std::int64_t i) { to[i] = from[offset]; });
  });
  return out;
}

void scatter(Array& target, std::int64_t dim, const Array& index, const Array& source) {
  Array to = at_least_1d(target);
  const Array positions = at_least_1d(index);
  const IndexedWalk walk("scatter", to, dim, positions);
  const Array at = checked_indices("scatter", positions, to.shape()[walk.dim]);
  const Array from = source_for("scatter", to, at_least_1d(source), positions);
  visit_itemsize(to.itemsize(), [&]<class T>(std::type_identity<T>) {
    T* first = reinterpret_cast<T*>(to.mutable_raw());
    const T* values = reinterpret_cast<const T*>(from.raw());
    walk.each(to.strides(), at.data<std::int64_t>(),
              [&](std::int64_t offset, std::int64_t i) { first[offset] = values[i]; });
  });
}

void scatter_add(Array& target, std::int64_t dim, const Array& index, const Array& source) {
  Array to = at_least_1d(target);
  const Array positions = at_least_1d(index);
  const IndexedWalk walk("scatter_add", to, dim, positions);
  const Array at = checked_indices("scatter_add", positions, to.shape()[walk.dim]);
  const Array from = source_for("scatter_add", to, at_least_1d(source), positions);
  visit_real("scatter_add", to.dtype(), [&]<class T>(std::type_identity<T>) {
    T* first = to.mutable_data<T>();
    const T* values = from.data<T>();
    walk.each(to.strides(), at.data<std::int64_t>(), [&](std::int64_t offset, std::int64_t i) {
      first[offset] = static_cast<T>(first[offset] + values[i]);
    });
  });
}

Array argsort(const Array& source, std::int64_t dim, bool descending) {
  if (is_half(source.dtype())) return argsort(source.cast(kFloat32), dim, descending);
  const Array x = at_least_1d(source);
  const auto d = static_cast<std::int64_t>(normalize_dim(dim, x.rank(), "argsort"));
  const Array rows = x.transpose(d, -1).contiguous();
  Array order = Array::empty(rows.shape(), kInt64);
  const std::int64_t n = rows.size(-1);
  if (rows.numel() == 0) return order.transpose(d, -1).contiguous().view(source.shape());
  auto* out = order.mutable_data<std::int64_t>();
  visit_real("argsort", x.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* first = rows.data<T>();
    const std::int64_t grain = std::max<std::int64_t>(1, kElementwiseGrain / n);
    parallel_for(rows.numel() / n, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        const T* value = first + r * n;
        const auto less = [value](std::int64_t a, std::int64_t b) {
          return value[a] < value[b] || (!is_nan(value[a]) && is_nan(value[b]));
        };
        std::iota(out + r * n, out + (r + 1) * n, std::int64_t{0});
        if (descending) {
          std::stable_sort(out + r * n, out + (r + 1) * n,
                           [&less](std::int64_t a, std::int64_t b) { return less(b, a); });
        } else {
          std::stable_sort(out + r * n, out + (r + 1) * n, less);
        }
      }
    });
  });
  return order.transpose(d, -1).contiguous().view(source.shape());
}

}  // namespace sconce::kernels
