// The two kinds of tensors a module owns by name.
#pragma once

#include <utility>

#include "sconce/nn/live_list.h"
#include "sconce/tensor/tensor.h"

namespace sconce::nn {

// A learnable tensor. A default-constructed Parameter is absent (PyTorch's None): it has no name in the
// state_dict. Assigning one Parameter to another ties them: both names refer to one tensor.
class Parameter : public Tensor, public LiveMember<MemberKind::kParameter> {
 public:
  Parameter() = default;
  // Takes the data of `data` without its history; floating dtypes require grad unless told otherwise.
  explicit Parameter(const Tensor& data, bool requires_grad = true);
};

// A tensor that is part of a module's state but is not learned, such as a running mean. An absent Buffer has
// no name; one that is not persistent is left out of the state_dict.
class Buffer : public Tensor, public LiveMember<MemberKind::kBuffer> {
 public:
  Buffer() = default;
  explicit Buffer(const Tensor& data, bool is_persistent = true);
  bool is_persistent() const { return is_persistent_; }

 private:
  bool is_persistent_ = true;
};

}  // namespace sconce::nn
