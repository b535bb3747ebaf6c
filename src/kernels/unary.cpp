#include <algorithm>
#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/is_nan.h"
#include "sconce/kernels/elementwise.h"

namespace sconce::kernels {

Array neg(const Array& x) {
  if (x.dtype() == kBool) fail_dtype("neg", kBool);
  return unary_real("neg", x, []<class T>(T v) -> T {
    if constexpr (std::is_floating_point_v<T>) return -v;
    return static_cast<T>(std::uint64_t{0} - static_cast<std::uint64_t>(v));
  });
}

Array abs(const Array& x) {
  return unary_real("abs", x, []<class T>(T v) -> T {
    if constexpr (std::is_floating_point_v<T>) return std::fabs(v);
    if constexpr (std::is_signed_v<T>) {
      return v < 0 ? static_cast<T>(std::uint64_t{0} - static_cast<std::uint64_t>(v)) : v;
    }
    return v;
  });
}

Array sign(const Array& x) {
  return unary_real("sign", x, []<class T>(T v) -> T {
    if constexpr (std::is_same_v<T, bool>) return v;
    if (is_nan(v)) return T(0);  // as in PyTorch: NaN compares to nothing
    return static_cast<T>((T(0) < v ? 1 : 0) - (v < T(0) ? 1 : 0));
  });
}

Array square(const Array& x) {
  return unary_real("square", x, []<class T>(T v) -> T {
    if constexpr (std::is_floating_point_v<T>) return v * v;
    return static_cast<T>(static_cast<std::uint64_t>(v) * static_cast<std::uint64_t>(v));
  });
}

Array exp(const Array& x) {
  return unary_floating("exp", x, [](auto v) { return std::exp(v); });
}

Array log(const Array& x) {
  return unary_floating("log", x, [](auto v) { return std::log(v); });
}

Array sqrt(const Array& x) {
  return unary_floating("sqrt", x, [](auto v) { return std::sqrt(v); });
}

Array reciprocal(const Array& x) {
  return unary_floating("reciprocal", x, []<class T>(T v) { return T(1) / v; });
}

Array sin(const Array& x) {
  return unary_floating("sin", x, [](auto v) { return std::sin(v); });
}

Array cos(const Array& x) {
  return unary_floating("cos", x, [](auto v) { return std::cos(v); });
}

Array tanh(const Array& x) {
  return unary_floating("tanh", x, [](auto v) { return std::tanh(v); });
}

Array sigmoid(const Array& x) {
  return unary_floating("sigmoid", x, []<class T>(T v) { return T(1) / (T(1) + std::exp(-v)); });
}

namespace {

constexpr auto kRelu = []<class T>(T v) { return v <= T(0) ? T(0) : v; };

}  // namespace

Array relu(const Array& x) { return unary_real("relu", x, kRelu); }

void relu_into(Array& x) {
  visit_floating("relu", x.dtype(), [&]<class T>(std::type_identity<T>) {
    map_into<T, T>(x.mutable_data<T>(), x.strides(), x, x.shape(), kRelu);
  });
}

bool has_nan(const Array& x) {
  if (!is_floating(x.dtype())) return false;
  const Array found = isnan(x);
  const bool* first = found.data<bool>();
  return std::any_of(first, first + found.numel(), [](bool v) { return v; });
}

}  // namespace sconce::kernels
