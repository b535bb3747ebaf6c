// Copies of values in graphs of their own.
#pragma once

#include <functional>

#include "sconce/state/value.h"

namespace sconce::optim {

// A copy of `value` that shares no node with it: putting one value into another joins their graphs for good,
// which an optimizer that saves every epoch must not do to what it keeps. Arrays go through `on_array`;
// objects stay what they are. Error kLimit for values nested deeper than options and states are.
Value copy_value(const Value& value, const std::function<Array(const Array&)>& on_array);
// The same, with arrays that share their memory.
Value copy_value(const Value& value);

}  // namespace sconce::optim
