// Making a checkpoint fit a model whose names differ.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sconce/checkpoint/listing.h"
#include "sconce/toolbox/key_match.h"

namespace sconce::toolbox {

// What the state_dict of a model looks like.
struct RepairTarget {
  std::vector<KeyInfo> keys;
  bool order_known = true;  // keys stand in the order in which the model registers its layers
  // Module -> the version its class writes into `_metadata`; nullopt when nobody knows.
  std::optional<std::vector<std::pair<std::string, std::int64_t>>> versions;
};

// The target that a checkpoint shows: its state_dict as find_state_dict(tree, key) finds it. Tensors that
// share memory exactly are tied.
RepairTarget target_of(const checkpoint::Listing& like, const std::string& key = "");

// True when a listing stands in the order in which a model registers its layers: one of PyTorch's own
// formats, and its names are not simply sorted.
bool is_in_model_order(const checkpoint::Listing& listing);

struct RepairOptions {
  bool allow_transpose = false;
  std::vector<MapEntry> map = {};
  std::optional<std::string> state_dict = {};  // look below this name only
};

struct RepairPlan {
  RepairTarget target;
  std::vector<KeyInfo> sources;  // the file's dense tensors, those of optimizers apart
  std::size_t left_aside = 0;    // tensors that were not considered: of optimizers, sparse
  KeyMatching matching;
  checkpoint::NamedLimits walk;  // of the file's listing

  // Nothing has to be done: the names are the target's, in a state_dict that is the whole file.
  bool is_identity() const;
};

// Finds out what has to be done; reads no tensor. Errors as match_keys.
RepairPlan plan_repair(const checkpoint::Listing& file, RepairTarget target,
                       const RepairOptions& options = {});

struct RepairedState {
  Value state;                     // an OrderedDict in the target's order
  std::vector<std::string> notes;  // what deserves a word: copies, versions of modules
};

struct ApplyOptions {
  bool keep_extra = false;  // tensors the target does not want follow under their own names
  bool whole = false;       // `state` is the whole file with the repaired state_dict in its place
};

// The state_dict that the plan describes, of the same file, loaded. `_metadata` has the target's modules,
// each with the version that the file gives for it, or else the target's. Errors: kState when the file is not
// the one the plan was made for; kUnsupported when `whole` is asked for and the tensors come from several
// dicts.
RepairedState apply_repair(const Value& loaded, const RepairPlan& plan, const ApplyOptions& options = {});

}  // namespace sconce::toolbox
