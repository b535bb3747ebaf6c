// Whether the indices of a sparse tensor lie within it. torch.load believes them, and what works on the
// tensor reads and writes where they point.
#pragma once

#include <string>
#include <vector>

#include "checkpoint/stored_tensor.h"
#include "sconce/core/shape.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

// What shows without reading an index: dtypes and shapes that no tensor of leaf.size and leaf.layout can be
// made of; empty when they fit. The arrays of `leaf` are not looked at: `parts` are the kinds of its indices
// (compressed, then plain ones where the layout has two) and of its values.
std::string sparse_misfit(const SparseLeaf& leaf, const std::vector<TensorKind>& parts);

// What is wrong with the indices of a sparse tensor whose values have the shape `values`: the first one that
// is out of place, or parts that do not fit each other; empty when they are sound. `leaf` needs its indices
// but not its values. The rules are those of torch.sparse.check_sparse_tensor_invariants that memory depends
// on; order and repetition of indices are not among them. Errors: those of reading the indices, kLimit for
// indices that are expanded to a multiple of their storage.
std::string sparse_fault(const SparseLeaf& leaf, const Shape& values);

// The same of a leaf with all its parts. An unread storage of indices is unread again afterwards.
std::string sparse_fault(const SparseLeaf& leaf);

}  // namespace sconce::checkpoint
