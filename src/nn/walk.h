// Visitors that look at one kind of member each.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "sconce/nn/members.h"

namespace sconce::nn {

// Only reading visitors are used on const modules, so taking the const away changes nothing.
Module& walkable(const Module& module);

void for_each_parameter(Module& module, const std::function<void(std::string_view, Parameter&)>& function);
void for_each_buffer(Module& module, const std::function<void(std::string_view, Buffer&)>& function);
void for_each_child(Module& module, const std::function<void(std::string_view, Module&)>& function);
// The children that outlive the call: instead of a list of modules, its elements.
void for_each_lasting_child(Module& module, const std::function<void(Module&)>& function);

// `module` and everything below in PyTorch's order, each with its prefix: "" for itself, "layer1.0." below.
void for_each_module(Module& module, const std::string& prefix,
                     const std::function<void(const std::string&, Module&)>& function);

}  // namespace sconce::nn
