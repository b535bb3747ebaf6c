#include "kernels/dispatch.h"
#include "sconce/kernels/elementwise.h"

namespace sconce::kernels {

Array eq(const Array& a, const Array& b) {
  return compare_real("eq", a, b, [](auto x, auto y) { return x == y; });
}

Array ne(const Array& a, const Array& b) {
  return compare_real("ne", a, b, [](auto x, auto y) { return x != y; });
}

Array lt(const Array& a, const Array& b) {
  return compare_real("lt", a, b, [](auto x, auto y) { return x < y; });
}

Array le(const Array& a, const Array& b) {
  return compare_real("le", a, b, [](auto x, auto y) { return x <= y; });
}

Array gt(const Array& a, const Array& b) {
  return compare_real("gt", a, b, [](auto x, auto y) { return x > y; });
}

Array ge(const Array& a, const Array& b) {
  return compare_real("ge", a, b, [](auto x, auto y) { return x >= y; });
}

Array isnan(const Array& x) { return ne(x, x); }

Array logical_and(const Array& a, const Array& b) {
  return compare_real("logical_and", a, b, []<class T>(T x, T y) { return x != T(0) && y != T(0); });
}

Array logical_or(const Array& a, const Array& b) {
  return compare_real("logical_or", a, b, []<class T>(T x, T y) { return x != T(0) || y != T(0); });
}

Array logical_not(const Array& x) { return eq(x, Array::zeros({}, x.dtype())); }

Array where(const Array& condition, const Array& a, const Array& b) {
  require(condition.dtype() == kBool, ErrorCode::kDTypeMismatch, "where",
          "the condition must be bool, it is ", condition.dtype());
  require_same_dtype("where", a, b);
  const Shape shape =
      broadcast_shapes(condition.shape(), broadcast_shapes(a.shape(), b.shape(), "where"), "where");
  Array out = Array::empty(shape, a.dtype());
  const bool* choice = condition.data<bool>();
  const LoopNest<4> nest(shape, {out.strides(), broadcast_strides(condition, shape),
                                 broadcast_strides(a, shape), broadcast_strides(b, shape)});
  visit_itemsize(a.itemsize(), [&]<class T>(std::type_identity<T>) {
    T* po = reinterpret_cast<T*>(out.mutable_raw());
    const T* pa = reinterpret_cast<const T*>(a.raw());
    const T* pb = reinterpret_cast<const T*>(b.raw());
    for_each_stretch(nest, [&](const std::array<std::int64_t, 4>& at, std::int64_t n) {
      const auto& step = nest.step;
      for (std::int64_t i = 0; i < n; ++i) {
        const bool first = choice[at[1] + i * step[1]];
        po[at[0] + i * step[0]] = first ? pa[at[2] + i * step[2]] : pb[at[3] + i * step[3]];
      }
    });
  });
  return out;
}

}  // namespace sconce::kernels
