#include "sconce/kernels/window.h"

#include "sconce/base/checked.h"
#include "sconce/base/error.h"

namespace sconce::kernels {
namespace {

// Far above any image, and low enough that the arithmetic of windows cannot overflow.
constexpr std::int64_t kLargest = std::int64_t{1} << 30;

void check_range(const Pair& pair, std::int64_t lowest, std::string_view name, std::string_view where) {
  require(pair.h >= lowest && pair.w >= lowest && pair.h <= kLargest && pair.w <= kLargest,
          ErrorCode::kInvalidArgument, where, "expected ", name, " of at least ", lowest, ", found (", pair.h,
          ", ", pair.w, ")");
}

}  // namespace

void check_window(const Window& window, std::string_view where) {
  check_range(window.kernel, 1, "a kernel size", where);
  check_range(window.stride, 1, "a stride", where);
  check_range(window.padding, 0, "a padding", where);
  check_range(window.dilation, 1, "a dilation", where);
}

std::int64_t window_count(std::int64_t size, std::int64_t kernel, std::int64_t stride, std::int64_t padding,
                          std::int64_t dilation, bool ceil_mode) {
  const std::int64_t reach =
      checked_add(checked_mul(dilation, kernel - 1, "window"), std::int64_t{1}, "window");
  const std::int64_t room = checked_add(size, 2 * padding, "window") - reach;
  if (room < 0) return 0;
  std::int64_t count = room / stride + 1;
  if (ceil_mode && room % stride != 0 && count * stride < size + padding) ++count;
  return count;
}

}  // namespace sconce::kernels
