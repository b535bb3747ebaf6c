// A mapping of names that a person can read and change.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sconce/toolbox/key_match.h"

namespace sconce::toolbox {

// {"sconce_map": 1,
//  "map": {"fc.weight": "module.head.weight",                        the target's name: the file's name
//          "proj.weight": {"source": "proj.w", "transpose": true},
//          "bn.num_batches_tracked": {"fill": 0},
//          "q.weight": null},                                        still open; the rules decide
//  "candidates": {"q.weight": ["a.weight", "b.weight"]}}             what might be put there; not read

// The entries that say something. Errors: kCorrupt, with a byte offset, when it is no such file; kLimit.
std::vector<MapEntry> parse_map(std::string_view text);

// The text of a mapping, with what is open as null and its candidates.
std::string map_text(const KeyMatching& matching, const std::vector<KeyInfo>& targets,
                     const std::vector<KeyInfo>& sources);

}  // namespace sconce::toolbox
