// Padding the last dimensions of an array.
#pragma once

#include <span>

#include "sconce/core/array.h"

namespace sconce {

// What stands outside: a constant, the image mirrored (without repeating the border), its border, or its
// opposite side.
enum class PadMode : std::uint8_t { kConstant, kReflect, kReplicate, kCircular };

namespace kernels {

// `pads` counts from the last dimension, as in PyTorch: {left, right, top, bottom, ...}. Negative numbers
// crop. Any dtype for kConstant, float32 and float64 otherwise.

// Shape after padding. Errors: kInvalidArgument for an odd number of pads, kShapeMismatch for more pads than
// dimensions, a negative size, or a border wider than the mode can fill.
Shape padded_shape(const Shape& shape, std::span<const std::int64_t> pads, PadMode mode);
Array pad(const Array& input, std::span<const std::int64_t> pads, PadMode mode, double value);
// Gradient with respect to an input of shape `shape`: every element collects the gradients of its copies.
Array pad_backward(const Array& grad, const Shape& shape, std::span<const std::int64_t> pads, PadMode mode);

}  // namespace kernels
}  // namespace sconce
