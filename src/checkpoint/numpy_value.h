// numpy's pickles (formats.md B.8). Only what numpy itself writes is understood: it trusts these calls with
// raw memory, so an object that differs from its own pickles in anything is nothing that may be written back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sconce/core/dtype.h"
#include "sconce/core/shape.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

struct NumpyDType {
  std::string name;         // "float64", "<U3", "object"
  bool is_swapped = false;  // the other order of bytes
  std::uint64_t itemsize = 0;
  bool is_record = false;      // made of named fields
  bool holds_objects = false;  // elements are Python objects, not bytes
  std::optional<DType> dtype;  // PyTorch's, where it has one
};

struct NumpyObject {
  enum class Kind : std::uint8_t { kArray, kScalar, kMasked };
  Kind kind = Kind::kArray;
  NumpyDType dtype;
  Shape shape;
  bool is_fortran = false;
  Value data;  // bytes, or a Python 2 str; a list of the elements where they are objects
};

// The dtype that `value` is; nullopt unless numpy could have written it.
std::optional<NumpyDType> numpy_dtype(const Value& value);
// The array, scalar or masked array that `value` is; nullopt unless numpy could have written it. The bytes
// fit the shape.
std::optional<NumpyObject> numpy_object(const Value& value);

}  // namespace sconce::checkpoint
