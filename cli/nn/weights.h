// Weights out of checkpoint files of any make.
#pragma once

#include <string>

#include "sconce/checkpoint/load.h"
#include "sconce/nn/module.h"
#include "sconce/state/load_report.h"
#include "sconce/state/value.h"

namespace sconce::cli {

// A state_dict, and how it was come by.
struct Weights {
  StateDict state;
  std::string entry;          // the key it was under; empty when the file is the state_dict itself
  std::string prefix;         // what was taken off every name
  bool is_of_module = false;  // it is what the state_dict() of a whole pickled module would be

  // "state_dict taken from 'state_dict'; prefix 'module.' taken off every name"; empty when the names and
  // arrays are those of the file.
  std::string note() const;
};

// What the file at `path` holds, with a warning for each global in it that could run code in Python. Errors
// as checkpoint::load().
Value load_file(const std::string& path, const checkpoint::LoadOptions& options);

// The state_dict in what a file holds: the whole of it, its entry `model`, `state_dict` or
// `model_state_dict`, or the only entry that is one; a whole pickled module stands for its state_dict. Error
// kUnsupported, naming `path`, when there is none or it is not clear which.
Weights find_weights(const Value& content, const std::string& path, const checkpoint::NamedLimits& limits);

// The error for weights of the file `path` that do not fit the model: the report and its hints in one line.
Error explained(const LoadError& error, const nn::Module& model, const std::string& path);

// Loads a file's state_dict into the model, every key and shape in its place; a prefix that every name
// carries (DataParallel's "module.") and without which the names are the model's is taken off. Error
// kKeyMismatch as explained().
Weights load_weights(nn::Module& model, const Value& content, const std::string& path,
                     const checkpoint::NamedLimits& limits);

}  // namespace sconce::cli
