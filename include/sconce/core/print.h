// Text of arrays as PyTorch prints tensors under its default options (torch/_tensor_str.py): precision 4, 80
// columns, more than 1000 elements summarised by 3 at each edge.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "sconce/core/array.h"

namespace sconce {

// PyTorch's defaults (torch.set_printoptions).
struct PrintOptions {
  int precision = 4;              // digits after the point; at most kMostPrecision count
  std::int64_t threshold = 1000;  // more elements are summarised
  std::int64_t edge_items = 3;    // of each end of a summarised dimension
  static constexpr int kMostPrecision = 50;
};

// "tensor([1., 2.])"; `suffixes` follow the dtype's: repr(x, {{"requires_grad=True"}}). Quantized and raw
// elements print as the integers they are stored in. An undefined array is "None".
std::string repr(const Array& array, std::span<const std::string> suffixes = {},
                 const PrintOptions& options = {});

// The elements alone, as nested lists: "[[1., 2.],\n [3., 4.]]". Lines that follow the first are moved to the
// right by `indent`.
std::string elements_repr(const Array& array, const PrintOptions& options = {}, std::size_t indent = 0);

// Elements of three bytes as the little-endian integers they print as, in uint32; any other array as it is.
Array with_integers(const Array& array);

}  // namespace sconce
