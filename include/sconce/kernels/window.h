// Windows that slide over the last two dimensions of an image: convolution and pooling share the arithmetic.
#pragma once

#include <cstdint>
#include <limits>
#include <string_view>

namespace sconce {

// A number per image direction: {height, width}. One number means both.
struct Pair {
  std::int64_t h = 0;
  std::int64_t w = 0;
  bool is_one_number = false;  // written as one: what a layer's str() prints, nothing else

  constexpr Pair(std::int64_t both) : h(both), w(both), is_one_number(true) {}  // NOLINT: as in PyTorch
  constexpr Pair(std::int64_t height, std::int64_t width) : h(height), w(width) {}
  friend constexpr bool operator==(const Pair& a, const Pair& b) { return a.h == b.h && a.w == b.w; }
};

// A pooling stride that was not given: the kernel's size, as in PyTorch.
inline constexpr Pair kSameAsKernel{std::numeric_limits<std::int64_t>::min()};

namespace kernels {

struct Window {
  Pair kernel = 1;
  Pair stride = 1;
  Pair padding = 0;
  Pair dilation = 1;
};

// Error kInvalidArgument unless kernel, stride and dilation are positive and padding is not negative.
void check_window(const Window& window, std::string_view where);

// Positions of a window along one direction: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride)
// + 1, or rounded up with `ceil_mode` except that no window starts beyond the image and its left padding.
// Not positive when the window does not fit.
std::int64_t window_count(std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                          std::int64_t dilation, bool ceil_mode);

}  // namespace kernels
}  // namespace sconce
