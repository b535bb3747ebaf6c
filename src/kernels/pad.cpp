#include "sconce/kernels/pad.h"

#include <algorithm>
#include <vector>

#include "kernels/operands.h"
#include "sconce/base/checked.h"

namespace sconce::kernels {
namespace {

constexpr const char* kWhere = "pad";

// The padding of dimension shape.size() - 1 - i.
struct Border {
  std::int64_t before, after;
};
Border border(std::span<const std::int64_t> pads, std::size_t i) { return {pads[2 * i], pads[2 * i + 1]}; }

// Where each element along a padded dimension comes from.
std::vector<std::int64_t> sources(std::int64_t size, const Border& pad, PadMode mode) {
  std::vector<std::int64_t> from(static_cast<std::size_t>(size + pad.before + pad.after));
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::int64_t at = static_cast<std::int64_t>(i) - pad.before;
    if (mode == PadMode::kReflect) {
      if (at < 0) at = -at;
      if (at >= size) at = 2 * (size - 1) - at;
    } else if (mode == PadMode::kReplicate) {
      at = std::clamp<std::int64_t>(at, 0, size - 1);
    } else {
      at = (at + size) % size;
    }
    from[i] = at;
  }
  return from;
}

// The array seen as (outer, size, inner) around dimension `dim`.
struct Lines {
  std::int64_t outer = 1, inner = 1;
};
Lines lines_of(const Shape& shape, std::size_t dim) {
  Lines lines;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (d != dim) (d < dim ? lines.outer : lines.inner) *= shape[d];
  }
  return lines;
}

// One dimension at a time: the modes do not mix dimensions.
Array pad_dimension(const Array& input, std::size_t dim, const std::vector<std::int64_t>& from) {
  Shape shape = input.shape();
  const std::int64_t size = shape[dim];
  const auto padded = static_cast<std::int64_t>(from.size());
  shape[dim] = padded;
  const Lines lines = lines_of(shape, dim);
  const Array x = input.contiguous();
  Array out = Array::empty(shape, input.dtype());
  visit_floating(kWhere, input.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* in = x.data<T>();
    T* result = out.mutable_data<T>();
    for (std::int64_t o = 0; o < lines.outer; ++o) {
      for (std::int64_t i = 0; i < padded; ++i) {
        std::copy_n(in + (o * size + from[static_cast<std::size_t>(i)]) * lines.inner, lines.inner,
                    result + (o * padded + i) * lines.inner);
      }
    }
  });
  return out;
}

Array collect_dimension(const Array& grad, std::size_t dim, std::int64_t size,
                        const std::vector<std::int64_t>& from) {
  Shape shape = grad.shape();
  const std::int64_t padded = shape[dim];
  shape[dim] = size;
  const Lines lines = lines_of(shape, dim);
  const Array g = grad.contiguous();
  Array out = Array::zeros(shape, grad.dtype());
  visit_floating(kWhere, grad.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* source = g.data<T>();
    T* result = out.mutable_data<T>();
    for (std::int64_t o = 0; o < lines.outer; ++o) {
      for (std::int64_t i = 0; i < padded; ++i) {
        const T* copy = source + (o * padded + i) * lines.inner;
        T* original = result + (o * size + from[static_cast<std::size_t>(i)]) * lines.inner;
        for (std::int64_t k = 0; k < lines.inner; ++k) original[k] += copy[k];
      }
    }
  });
  return out;
}

// The part of a constant-padded array that holds the input, and the part of the input that is kept: the same
// shape.
struct Overlap {
  Array padded, input;
};
Overlap overlap(const Array& padded, const Array& input, std::span<const std::int64_t> pads) {
  Overlap both{padded, input};
  for (std::size_t i = 0; i < pads.size() / 2; ++i) {
    const Border pad = border(pads, i);
    const auto dim = static_cast<std::int64_t>(input.rank() - 1 - i);
    const std::int64_t crop_before = std::max<std::int64_t>(-pad.before, 0);
    const std::int64_t crop_after = std::max<std::int64_t>(-pad.after, 0);
    const std::int64_t kept = std::max<std::int64_t>(input.size(dim) - crop_before - crop_after, 0);
    both.input = both.input.narrow(dim, std::min(crop_before, input.size(dim)), kept);
    both.padded =
        both.padded.narrow(dim, std::min(std::max<std::int64_t>(pad.before, 0), padded.size(dim)), kept);
  }
  return both;
}

}  // namespace

Shape padded_shape(const Shape& shape, std::span<const std::int64_t> pads, PadMode mode) {
  require(pads.size() % 2 == 0, ErrorCode::kInvalidArgument, kWhere,
          "expected two pads for each dimension, found ", pads.size());
  require(pads.size() / 2 <= shape.size(), ErrorCode::kShapeMismatch, kWhere, "expected pads for at most ",
          shape.size(), " dimensions, found ", pads.size(), " pads");
  Shape out = shape;
  for (std::size_t i = 0; i < pads.size() / 2; ++i) {
    const Border pad = border(pads, i);
    const std::size_t dim = shape.size() - 1 - i;
    const std::int64_t size = shape[dim];
    out[dim] = checked_add(checked_add(size, pad.before, kWhere), pad.after, kWhere);
    require(out[dim] >= 0, ErrorCode::kShapeMismatch, kWhere, "pads (", pad.before, ", ", pad.after,
            ") leave a negative size in dimension ", dim, " of ", shape);
    if (mode == PadMode::kConstant) {
      // Cropping on one side more than there is, and padding on the other, has no meaning.
      require(size + std::min<std::int64_t>(pad.before, 0) + std::min<std::int64_t>(pad.after, 0) >= 0,
              ErrorCode::kShapeMismatch, kWhere, "pads (", pad.before, ", ", pad.after,
              ") crop more than dimension ", dim, " of ", shape, " has");
      continue;
    }
    require(size > 0 && out[dim] > 0, ErrorCode::kShapeMismatch, kWhere, "expected elements in dimension ",
            dim, ", found ", shape, " with pads (", pad.before, ", ", pad.after, ")");
    const std::int64_t widest = mode == PadMode::kReflect    ? size - 1
                                : mode == PadMode::kCircular ? size
                                                             : std::max(pad.before, pad.after);
    require(pad.before <= widest && pad.after <= widest, ErrorCode::kShapeMismatch, kWhere,
            mode == PadMode::kReflect
                ? "Padding size should be less than the corresponding input dimension, but got: padding ("
                : "Padding value causes wrapping around more than once: padding (",
            pad.before, ", ", pad.after, ") at dimension ", dim, " of ", shape);
  }
  return out;
}

Array pad(const Array& input, std::span<const std::int64_t> pads, PadMode mode, double value) {
  const Shape shape = padded_shape(input.shape(), pads, mode);
  if (mode == PadMode::kConstant) {
    Array out = Array::full(shape, value, input.dtype());
    Overlap both = overlap(out, input, pads);
    both.padded.copy_from(both.input);
    return out;
  }
  Array out = input;
  for (std::size_t i = 0; i < pads.size() / 2; ++i) {
    const std::size_t dim = shape.size() - 1 - i;
    out = pad_dimension(out, dim, sources(input.shape()[dim], border(pads, i), mode));
  }
  return pads.empty() ? input.clone() : out;
}

Array pad_backward(const Array& grad, const Shape& shape, std::span<const std::int64_t> pads, PadMode mode) {
  const Shape expected = padded_shape(shape, pads, mode);
  require(grad.shape() == expected, ErrorCode::kShapeMismatch, kWhere, "expected a gradient of shape ",
          expected, ", found ", grad.shape());
  if (mode == PadMode::kConstant) {
    Array out = Array::zeros(shape, grad.dtype());
    Overlap both = overlap(grad, out, pads);
    both.input.copy_from(both.padded);
    return out;
  }
  Array out = grad;
  for (std::size_t i = pads.size() / 2; i-- > 0;) {
    const std::size_t dim = shape.size() - 1 - i;
    out = collect_dimension(out, dim, shape[dim], sources(shape[dim], border(pads, i), mode));
  }
  return pads.empty() ? grad.clone() : out;
}

}  // namespace sconce::kernels
