#include "sconce/core/shape.h"

#include <ostream>

#include "sconce/base/checked.h"
#include "sconce/base/error.h"

namespace sconce {
namespace {

std::string joined(const Dims& dims) {
  std::string out;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) out += ", ";
    out += std::to_string(dims[i]);
  }
  return out;
}

}  // namespace

std::string Shape::str() const { return cat(*this); }

void append_text(std::string& out, const Shape& shape) {
  out += '(';
  out += joined(shape);
  out += shape.size() == 1 ? ",)" : ")";
}

std::string Shape::repr() const { return cat("torch.Size([", joined(*this), "])"); }

void Shape::refuse_numel() const {
  fail(ErrorCode::kOverflow, "shape", "a tensor of shape ", *this, " has more elements than 64 bits count");
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.repr(); }

std::size_t normalize_dim(std::int64_t dim, std::size_t rank, std::string_view where) {
  const auto count = static_cast<std::int64_t>(std::max<std::size_t>(rank, 1));
  require(dim >= -count && dim < count, ErrorCode::kIndexOutOfRange, where, "dimension ", dim,
          " is out of range, expected ", -count, " to ", count - 1);
  return static_cast<std::size_t>(dim < 0 ? dim + count : dim);
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides(shape.size());
  std::int64_t step = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step = checked_mul(step, std::max<std::int64_t>(shape[i], 1), "shape");
  }
  return strides;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, std::string_view where) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  const std::size_t skip = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    const std::int64_t x = longer[skip + i];
    const std::int64_t y = shorter[i];
    require(x == y || x == 1 || y == 1, ErrorCode::kShapeMismatch, where, "shapes ", a, " and ", b,
            " do not broadcast: ", x, " against ", y, " in dimension ", skip + i);
    out[skip + i] = x == 1 ? y : x;
  }
  return out;
}

}  // namespace sconce
