#include <cmath>

#include "kernels/dispatch.h"
#include "kernels/is_nan.h"
#include "sconce/kernels/elementwise.h"

namespace sconce::kernels {
namespace {

// Integer arithmetic wraps around, as in PyTorch: in uint64, where C++ defines it.
template <class T, class F>
T wrapping(T x, T y, F f) {
  if constexpr (std::is_floating_point_v<T>) {
    return f(x, y);
  } else {
    return static_cast<T>(f(static_cast<std::uint64_t>(x), static_cast<std::uint64_t>(y)));
  }
}

constexpr auto kAdd = []<class T>(T x, T y) { return wrapping(x, y, [](auto p, auto q) { return p + q; }); };
constexpr auto kSub = []<class T>(T x, T y) { return wrapping(x, y, [](auto p, auto q) { return p - q; }); };
constexpr auto kMul = []<class T>(T x, T y) { return wrapping(x, y, [](auto p, auto q) { return p * q; }); };
constexpr auto kDiv = []<class T>(T x, T y) { return x / y; };

template <class T>
T power(T base, T exponent) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::pow(base, exponent);
  } else {
    if constexpr (std::is_signed_v<T>) {
      require(exponent >= 0, ErrorCode::kInvalidArgument, "pow",
              "an integer cannot be raised to a negative power; convert it to a floating dtype");
    }
    std::uint64_t result = 1;
    auto square = static_cast<std::uint64_t>(base);
    for (auto left = static_cast<std::uint64_t>(exponent); left != 0; left >>= 1) {
      if ((left & 1) != 0) result *= square;
      square *= square;
    }
    return static_cast<T>(result);
  }
}

template <class F>
void update(std::string_view name, Array& target, const Array& source, F f) {
  require_same_dtype(name, target, source);
  require(broadcast_shapes(target.shape(), source.shape(), name) == target.shape(), ErrorCode::kShapeMismatch,
          name, "a value of shape ", source.shape(), " does not fit into shape ", target.shape());
  if (is_half(target.dtype())) {
    Array wide = target.cast(kFloat32);
    update(name, wide, source.cast(kFloat32), f);
    target.copy_from(wide);
    return;
  }
  // A source that shares the target's memory element for element is read before each write; any other
  // overlap could be read after it was written.
  const bool overlaps = source.storage() == target.storage() && source.geometry() != target.geometry();
  const Array safe = overlaps ? source.clone() : source;
  visit_real(name, target.dtype(), [&]<class T>(std::type_identity<T>) {
    T* out = target.mutable_data<T>();
    zip_into<T, T>(out, target.strides(), target, safe, target.shape(), f);
  });
}

template <class F>
void update_floating(std::string_view name, Array& target, const Array& source, F f) {
  if (!is_floating(target.dtype())) fail_dtype(name, target.dtype());
  update(name, target, source, [&]<class T>(T x, T y) -> T {
    if constexpr (std::is_floating_point_v<T>) return f(x, y);
    return x;
  });
}

}  // namespace

Array add(const Array& a, const Array& b) { return binary_real("add", a, b, kAdd); }
Array sub(const Array& a, const Array& b) {
  if (a.dtype() == kBool) fail_dtype("sub", kBool);
  return binary_real("sub", a, b, kSub);
}
Array mul(const Array& a, const Array& b) { return binary_real("mul", a, b, kMul); }
Array div(const Array& a, const Array& b) { return binary_floating("div", a, b, kDiv); }

Array add_scaled(const Array& a, const Array& b, double alpha) {
  if (is_integral(a.dtype())) return add(a, mul(b, Array::full({}, alpha, b.dtype())));
  return binary_floating("add", a, b,
                         [alpha]<class T>(T x, T y) { return std::fma(static_cast<T>(alpha), y, x); });
}

Array pow(const Array& base, const Array& exponent) {
  return binary_real("pow", base, exponent, []<class T>(T x, T y) { return power(x, y); });
}

Array maximum(const Array& a, const Array& b) {
  return binary_real("maximum", a, b, []<class T>(T x, T y) { return is_nan(x) || x > y ? x : y; });
}

Array minimum(const Array& a, const Array& b) {
  return binary_real("minimum", a, b, []<class T>(T x, T y) { return is_nan(x) || x < y ? x : y; });
}

Array relu_backward(Array grad, const Array& out) {
  constexpr auto kMask = []<class T>(T g, T y) { return y <= T(0) ? T(0) : g; };
  if (!grad.storage().is_ours_alone() || !is_row(grad, out.shape())) {
    return binary_floating("relu", grad, out, kMask);
  }
  update_floating("relu", grad, out, kMask);
  return grad;
}

Array tanh_backward(const Array& grad, const Array& out) {
  return binary_floating("tanh", grad, out, []<class T>(T g, T y) { return g * (T(1) - y * y); });
}

Array sigmoid_backward(const Array& grad, const Array& out) {
  return binary_floating("sigmoid", grad, out, []<class T>(T g, T y) { return g * (T(1) - y) * y; });
}

void add_into(Array& target, const Array& source) { update("add_", target, source, kAdd); }
void mul_into(Array& target, const Array& source) { update("mul_", target, source, kMul); }
void div_into(Array& target, const Array& source) { update_floating("div_", target, source, kDiv); }

void add_scaled_into(Array& target, const Array& source, double alpha) {
  if (is_integral(target.dtype())) {
    add_into(target, mul(source, Array::full({}, alpha, source.dtype())));
    return;
  }
  update_floating("add_", target, source,
                  [alpha]<class T>(T x, T y) { return std::fma(static_cast<T>(alpha), y, x); });
}

}  // namespace sconce::kernels
