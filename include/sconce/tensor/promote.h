// PyTorch's rules for the dtype of a result of mixed operands.
#pragma once

#include "sconce/tensor/tensor.h"

namespace sconce {

// The smallest dtype that holds both kinds of values: torch.promote_types.
// Error kDTypeMismatch for dtypes that take no part in arithmetic.
DType promote_types(DType a, DType b);
// The dtype of `a op b`: tensors with dimensions outrank 0-d ones, and those outrank scalars, within a kind
// (bool, integer, floating, complex): torch.result_type.
DType result_type(const Tensor& a, const Tensor& b);
DType result_type(const Tensor& a, Scalar b);

}  // namespace sconce
