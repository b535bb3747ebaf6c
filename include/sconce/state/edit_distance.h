// How unlike two texts are.
#pragma once

#include <cstddef>
#include <string_view>

namespace sconce {

// Levenshtein distance: insertions, deletions and replacements of one byte. Takes a.size() * b.size() steps.
std::size_t edit_distance(std::string_view a, std::string_view b);

// Dotted components the two names share from the right: 2 for "a.fc.weight" and "b.fc.weight".
std::size_t common_components(std::string_view a, std::string_view b);

}  // namespace sconce
