// The words of `sconce show`: a name, and a part of the tensor in brackets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/core/array.h"

namespace sconce::toolbox {

// One position of a slice as it is written: an index, start:stop:step (negative steps too), or "...".
struct SliceItem {
  enum class Kind : std::uint8_t { kIndex, kSlice, kEllipsis };
  Kind kind = Kind::kIndex;
  std::int64_t index = 0;
  std::optional<std::int64_t> start;
  std::optional<std::int64_t> stop;
  std::int64_t step = 1;
};

// "[0, :, 1:3]", as in numpy. Errors: kInvalidArgument names the character; kUnsupported for None, booleans
// and lists of indices.
std::vector<SliceItem> parse_slice(std::string_view text);

// Where the name ends and the bracket begins in "conv1.weight[0, :]"; npos without one. A name may hold
// brackets itself, so this is the last '[' of a text that ends with ']'.
std::size_t slice_begin(std::string_view text);

// The chosen part; a view where steps are positive, a copy otherwise. Error kIndexOutOfRange.
Array apply_slice(const Array& array, const std::vector<SliceItem>& items);

}  // namespace sconce::toolbox
