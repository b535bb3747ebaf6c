// The faces of `sconce diff`: JSON for programs, text for people.
#pragma once

#include <string>

#include "common/output.h"
#include "sconce/toolbox/diff.h"

namespace sconce::cli {

// Two checkpoints, what they are called, and what was found.
struct Comparison {
  std::string name_a;
  std::string name_b;
  const checkpoint::Listing* a = nullptr;
  const checkpoint::Listing* b = nullptr;
  toolbox::Diff diff;
  bool has_tolerance = false;
  bool strict = false;
};

struct DiffStyle {
  bool only_changed = false;  // leave out tensors that are equal
  bool stat = false;          // counts alone
};

Json diff_json(const Comparison& comparison, const DiffStyle& style);
std::string diff_text(const Comparison& comparison, const DiffStyle& style);

// One checkpoint as lines that text tools can compare: a line for each tensor and value, with a digest and
// statistics, and nothing that depends on where the file lies.
std::string textconv_text(const checkpoint::Listing& listing);

}  // namespace sconce::cli
