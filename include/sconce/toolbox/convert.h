// What `sconce convert` does to a checkpoint between reading and writing it: taking a part, choosing,
// renaming, changing the dtype, flattening.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sconce/checkpoint/named.h"
#include "sconce/core/dtype.h"
#include "sconce/state/value.h"
#include "sconce/toolbox/rename.h"

namespace sconce::toolbox {

// In this order; names are those of checkpoint::named_arrays after the step before.
struct ConvertOptions {
  std::string state_dict = {};            // dotted name of the part to take; empty: all
  std::vector<std::string> select = {};   // globs: only names that match one of them
  std::vector<std::string> exclude = {};  // globs: and none of these
  std::string strip_prefix = {};          // taken from the names that begin with it
  std::vector<Rename> rename = {};        // one after the other
  std::string add_prefix = {};            // put before every name
  bool flatten = false;                   // one dict of name -> tensor: what safetensors and npz hold
  std::optional<DType> dtype = {};        // of floating tensors; any floating dtype
  checkpoint::NamedLimits walk = {};      // of every walk over the tree
};

// Tensors that get another dtype and share one storage.
struct CastInfo {
  std::string name;  // of the first
  DType from = kFloat32;
  // Finite elements that the new dtype has no finite number for (or, without infinities, none so large).
  // Counted as the storage is read: known when the result has been saved.
  std::shared_ptr<const std::atomic<std::uint64_t>> overflowed;
};

struct LeftOutValue {
  std::string name;
  std::string what;  // "int", "str", "object of class argparse.Namespace"
};

struct ConvertReport {
  std::uint64_t tensors = 0;            // in the result, each name counted
  std::uint64_t renamed = 0;            // names that changed
  std::uint64_t cast = 0;               // tensors whose dtype changed
  std::vector<std::string> deselected;  // tensors and other values that were not chosen
  std::vector<LeftOutValue> left_out;   // flattened: what is no tensor
  std::vector<CastInfo> casts;
  std::vector<std::string> warnings;
};

struct Conversion {
  Value value;
  ConvertReport report;
};

// The tree keeps its shape: a container goes when nothing in it is left, an element of a list or tuple that
// is not chosen becomes None. A renamed key stays in its dict; where the name of a container changes, its key
// does; a prefix that is a level of the tree goes with the level. `_metadata` follows the names of modules.
// Elements of lists cannot be renamed. Without anything to do the value comes back as it is. Errors:
// kNotFound (no such part, nothing chosen), kKeyMismatch (two values would have one name; both are given),
// kUnsupported (a container within itself, or a list, in the way), kInvalidArgument (dtype).
Conversion convert(const Value& root, const ConvertOptions& options);

// The part of `root` that a dotted name leads to; Error kNotFound names the nearest.
Value take_part(const Value& root, const std::string& name);

// The dtype behind bf16, bfloat16, f16, fp16, half, f32, float, f8_e4m3fn, ...; nullopt for another word.
std::optional<DType> floating_dtype_from(std::string_view word);

}  // namespace sconce::toolbox
