// One set of weights out of several.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sconce/checkpoint/listing.h"

namespace sconce::toolbox {

struct AverageInput {
  std::string name;  // for messages
  checkpoint::Listing listing;
};

struct AverageOptions {
  std::vector<double> weights = {};  // one per input; they are divided by their sum. Empty: all alike
  // Exponential moving average in the order of the inputs: the first as it is, then
  // average = ema * average + (1 - ema) * input. Not together with weights.
  std::optional<double> ema = {};
  std::string state_dict = {};  // which dict of each file; empty: as find_state_dict
};

struct AverageResult {
  Value state;                     // the first input's state_dict with averaged tensors
  std::size_t averaged = 0;        // tensors
  std::size_t taken = 0;           // integer and bool tensors, which are the last input's
  std::vector<std::string> notes;  // what was left out, what differs, what is not finite
};

// Averages the state_dicts of the inputs, tensor by tensor: memory holds the result, one tensor in float64
// and one tensor of an input. Sums are made in float64 and rounded once, to nearest, to the dtype of the
// first input. Integers, bools (num_batches_tracked) and values that are no tensors are those of the last
// input, as AveragedModel copies buffers. Tensors that share memory in every input still do. Errors:
// kKeyMismatch (names, shapes or kinds of dtype differ), kUnsupported (sparse, quantized, packed tensors),
// kInvalidArgument (number or sum of the weights), and what Listing::read raises.
AverageResult average(const std::vector<AverageInput>& inputs, const AverageOptions& options = {});

}  // namespace sconce::toolbox
