// The padding of a convolution: a number, a pair or a word.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "sconce/kernels/window.h"

namespace sconce::nn {

// What `.padding = 1`, `.padding = {1, 2}` (height, width), `.padding = "same"` and `.padding = "valid"`
// mean.
class ConvPadding {
 public:
  template <std::integral T>
  ConvPadding(T both) : size_(static_cast<std::int64_t>(both)) {}  // NOLINT
  ConvPadding(std::int64_t height, std::int64_t width) : size_(height, width) {}
  ConvPadding(Pair size) : size_(size) {}  // NOLINT
  // Error kInvalidArgument for another word than "same" or "valid".
  ConvPadding(const char* word) : ConvPadding(std::string_view(word)) {}  // NOLINT
  ConvPadding(std::string_view word);                                     // NOLINT

  // As much on each side as keeps the size of the image; the odd one goes behind it.
  bool is_same() const { return word_ == "same"; }
  // Zeros on both sides, unless is_same().
  Pair size() const { return size_; }
  // As in PyTorch's repr: "(1, 2)" or "same".
  std::string str() const;

 private:
  std::string word_;
  Pair size_ = 0;
};

}  // namespace sconce::nn
