// Which values of a state_dict are tensors, and which of those cannot be loaded into a dense one.
#pragma once

#include <optional>
#include <string>

#include "sconce/state/state_dict.h"
#include "sconce/tensor/tensor.h"

namespace sconce::nn {

// The shape of what PyTorch takes for a tensor, dense, sparse or packed; nullopt for any other value.
std::optional<Shape> tensor_shape(const StateValue& value);

// Why a tensor of the right shape cannot be copied into `target` (or, with `assign`, take its place), in the
// words of PyTorch's exception where it refuses, too; nullopt when it can.
std::optional<std::string> copy_refusal(const Tensor& target, const StateValue& source, bool assign);

}  // namespace sconce::nn
