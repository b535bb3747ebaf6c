// Another dtype for the floating tensors of a tree.
#pragma once

#include "sconce/toolbox/convert.h"

namespace sconce::toolbox {

// `root` with every floating tensor (and the values of every sparse one) in `dtype`, converted when someone
// looks. Views of one storage still share one; geometry stays. Shared containers stay shared.
Value cast_tree(const Value& root, DType dtype, const checkpoint::NamedLimits& limits, ConvertReport& report);

}  // namespace sconce::toolbox
