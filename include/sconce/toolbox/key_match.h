// Which tensor of a file is which of a model, when the names do not agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/core/dtype.h"
#include "sconce/core/shape.h"

namespace sconce::toolbox {

// A tensor by its description.
struct KeyInfo {
  std::string name;
  DType dtype = kFloat32;
  Shape shape = {};
  std::optional<std::size_t> tied_to = {};  // of a target: an earlier one that is the same memory
};

// Why a source was taken for a target, surest first.
enum class MatchRule : std::uint8_t {
  kMap,         // the caller said so
  kExact,       // the same name
  kPrefix,      // the same but for a prefix of all names, or for what wrappers put into names
  kWeightNorm,  // weight_g and weight_v are parametrizations.weight.original0 and 1, or the other way round
  kNumbering,   // the same layers of a Sequential or ModuleList, counted otherwise
  kOnlyFit,     // another name, and nothing else of this shape is left on either side
  kOrder,       // other names, and all of this shape pair off in the order in which both sides list them
  kTied,        // absent, but the target shares memory with one that was found
  kFilled,      // absent: a num_batches_tracked, which begins at 0
};
// "exact", "prefix", "weight-norm", ...
std::string_view match_rule_name(MatchRule rule);

struct KeyMatch {
  std::size_t target = 0;
  std::optional<std::size_t> source;  // nullopt: filled with 0
  MatchRule rule = MatchRule::kExact;
  bool transpose = false;  // a matrix that has to be turned
  bool reshape = false;    // one element, with another number of dimensions
};

// Why a target got nothing.
enum class NoMatch : std::uint8_t {
  kAbsent,      // nothing fits
  kShape,       // the name fits, the shape does not
  kTransposed,  // the name fits, and so would the transposed matrix
  kAmbiguous,   // several fit
};
std::string_view no_match_name(NoMatch reason);

struct UnmatchedKey {
  std::size_t target = 0;
  NoMatch reason = NoMatch::kAbsent;
  std::vector<std::size_t> candidates;  // sources that come into question
};

struct KeyMatching {
  std::vector<KeyMatch> matches;        // in the order of targets
  std::vector<UnmatchedKey> unmatched;  // in the order of targets
  std::vector<std::size_t> extra;       // sources that no target takes, in their order
  std::string source_prefix;            // what was stripped from the sources' names: "state_dict.model."
  std::string target_prefix;            // what the targets' names have more
  // Several prefixes fit equally well (student., teacher.): nothing was matched by name.
  std::vector<std::string> ambiguous_prefixes;

  bool is_complete() const { return unmatched.empty(); }
};

// What the caller says of one target.
struct MapEntry {
  std::string target;
  std::optional<std::string> source;  // nullopt: fill with 0
  bool transpose = false;
};

struct MatchOptions {
  // Whether the sides list their tensors in the order in which the model registers its layers, as
  // PyTorch's own files do. Order proves nothing otherwise.
  bool source_order_known = true;
  bool target_order_known = true;
  bool allow_transpose = false;    // turn matrices whose name fits and whose shape is the other way
  std::vector<MapEntry> map = {};  // taken before anything else
  std::optional<std::string> source_prefix = {};  // look only below this name ("state_dict.model")
};

// Finds a source for every target. A match is made only when it is proven, by the rules of MatchRule:
// - names that agree, once a common prefix and wrappers are taken away;
// - numbers of a Sequential: the layers stand in the order of their numbers, and only one way of laying the
// one
//   sequence along the other keeps the most of them, each with the shapes of all that is in it;
// - other names: layers are compared as wholes, by the shapes of all that is in them. A layer that alone is
//   left with its shapes on both sides is matched. Several of one kind are matched when there are as many on
//   either side, both sides list them in the order of registration, and neither the names (`q, k` against
//   `key, query`) nor their numbers nor the neighbours that kept their names speak for another order.
// Everything else is listed as ambiguous. Errors: kInvalidArgument for a map that names what is not there,
// takes a target twice, or whose shapes do not fit.
KeyMatching match_keys(const std::vector<KeyInfo>& targets, const std::vector<KeyInfo>& sources,
                       const MatchOptions& options = {});

}  // namespace sconce::toolbox
