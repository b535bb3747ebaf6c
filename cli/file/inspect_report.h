// The two faces of `sconce inspect`: JSON for programs, tables for people.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/output.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/toolbox/stats.h"

namespace sconce::cli {

// What was found out about one tensor beyond the listing.
struct InspectedTensor {
  std::size_t index = 0;  // in Listing::tensors
  std::string sha256;     // empty unless asked for
  std::optional<toolbox::TensorStats> stats;
};

struct Inspection {
  std::string path;
  checkpoint::Listing listing;
  std::vector<InspectedTensor> tensors;  // chosen and sorted as asked
  bool data_was_read = false;            // and with it every checksum that is recorded was compared
};

// True when every byte that was asked for was compared with a checksum.
bool is_checked(const Inspection& inspection);
Json inspection_json(const Inspection& inspection);
std::string inspection_text(const Inspection& inspection);
// The tree of keys, indented, tensors among the other values.
std::string inspection_tree(const Inspection& inspection);

}  // namespace sconce::cli
