// What is inside objects that a checkpoint keeps inert.
#pragma once

#include <optional>
#include <string>

#include "sconce/core/array.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

// A tensor of the device "meta": it has no data.
struct MetaTensor {
  DType dtype = kFloat32;
  Geometry geometry;
  bool requires_grad = false;
  bool is_parameter = false;
};

// The meta tensor that an object stands for; nullopt for every other value.
std::optional<MetaTensor> meta_tensor(const Value& value);
// The object that stands for a meta tensor.
Value meta_value(const MetaTensor& tensor);

// A copy of a numpy array or scalar in the machine's order of bytes, Fortran order kept; nullopt for every
// other value, for arrays of dtypes that PyTorch does not have (text, objects, dates, records), masked
// arrays, and where the bytes do not fit the shape.
std::optional<Array> numpy_array(const Value& value);

// True for the objects whose content value_text() tells.
bool is_understood(const Value& value);
// One line for any value: numpy arrays and scalars, meta and nested tensors, sizes, devices and dtypes by
// their content, everything else as value_repr().
std::string value_text(const Value& value);

}  // namespace sconce::checkpoint
