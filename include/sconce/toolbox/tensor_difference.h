// How far two tensors of one shape lie apart.
#pragma once

#include <cstdint>
#include <optional>

#include "sconce/core/array.h"

namespace sconce::toolbox {

// An element of A is near that of B when |a - b| <= absolute + relative * |b|, as torch.allclose has it.
struct Tolerance {
  double relative = 0;
  double absolute = 0;

  // Equal numbers, two NaN and equal infinities are near whatever the tolerance.
  bool covers(double a, double b) const;
};

struct TensorDifference {
  std::int64_t count = 0;      // elements
  std::int64_t different = 0;  // whose bits differ; of unlike dtypes: whose values differ
  std::int64_t beyond = 0;     // beyond the tolerance; without one, `different`
  // Different elements of which one is NaN or infinite. They are left out of everything below.
  std::int64_t non_finite = 0;

  bool has_numbers = true;  // false: packed elements, which have no value of their own; nothing below is set
  double max_absolute = 0;
  double mean_absolute = 0;  // over all finite pairs
  double max_relative = 0;   // of |a - b| / max(|a|, |b|): 0 to 2
  std::int64_t worst = 0;    // row-major index of the first element that has max_absolute
  // Largest number of representable values from one element to the other, 0 and -0 counting as one. Floating
  // and complex dtypes that are the same on both sides only.
  std::optional<std::uint64_t> max_ulp;
  // Between both tensors as vectors (complex: of their components); nullopt when one of them is 0 throughout.
  std::optional<double> cosine;

  bool is_equal() const { return different == 0; }
  bool is_near() const { return beyond == 0; }
};

// True when tensor_difference takes these two dtypes: they are the same, or both hold numbers.
bool is_comparable(DType a, DType b);

// Compares element by element; complex numbers by the magnitude of their difference, quantized ones by their
// integers. NaN equals NaN when the bits agree, and any NaN when there is a tolerance. The result does not
// depend on the number of threads. Errors: kShapeMismatch, kDTypeMismatch (not comparable), kInterrupted.
TensorDifference tensor_difference(const Array& a, const Array& b,
                                   const std::optional<Tolerance>& tolerance = std::nullopt);

}  // namespace sconce::toolbox
