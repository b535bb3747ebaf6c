// Weights out of checkpoint files of any make.
#pragma once

#include <string>

#include "sconce/nn/module.h"
#include "sconce/state/load_report.h"
#include "sconce/state/value.h"

namespace sconce::cli {

// The state_dict in what a file holds: the whole of it, or its entry `model`, `state_dict` or
// `model_state_dict`. Error kUnsupported, naming `path`, when there is none.
StateDict find_state_dict(const Value& content, const std::string& path);

// The error for weights of the file `path` that do not fit the model: the report, with hints.
Error explained(const LoadError& error, const nn::Module& model, const std::string& path);

// Loads a file's state_dict into the model, every key and shape in its place. Error kKeyMismatch as
// explained().
void load_weights(nn::Module& model, const Value& content, const std::string& path);

}  // namespace sconce::cli
