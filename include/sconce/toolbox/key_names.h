// What training scripts do to the names of a model's tensors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sconce::toolbox {

// The dotted components of a name.
std::vector<std::string_view> components_of(std::string_view name);

// True for a component that a wrapper puts into a name and that is no layer of the model: `module`
// (DataParallel, DistributedDataParallel, AveragedModel), `_orig_mod` (torch.compile),
// `_fsdp_wrapped_module`,
// `_checkpoint_wrapped_module`, `_forward_module` (Lightning, DeepSpeed).
bool is_wrapper(std::string_view component);

// `name` without the components that wrappers put there, wherever they stand; the last component stays.
std::string without_wrappers(std::string_view name);

// True for what training scripts call the state_dict in the dict that they save: `state_dict`, `model`, ...
bool is_usual_container(std::string_view key);

}  // namespace sconce::toolbox
