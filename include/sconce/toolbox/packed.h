// Tensors whose values share bytes, one value a byte: for whoever shows them.
#pragma once

#include "sconce/state/value.h"

namespace sconce::toolbox {

// The integers of a tensor of quint4x2 or quint2x4, each in a byte of its own, in the tensor's sizes and
// strides; the dtype stays. Of any other tensor, and of one without its sizes, the array itself.
Array unpacked(const TensorLeaf& leaf);

}  // namespace sconce::toolbox
