#include "sconce/nn/pooling.h"

namespace sconce::nn {
namespace {

// PyTorch prints what it was given.
std::string text(const Pair& pair) {
  return pair.is_one_number ? std::to_string(pair.h) : cat("(", pair.h, ", ", pair.w, ")");
}

std::string text(const std::optional<std::int64_t>& size) { return size ? std::to_string(*size) : "None"; }

}  // namespace

MaxPool2d::MaxPool2d(Pair kernel_size, const MaxPool2dOptions& options)
    : kernel_size_(kernel_size), options_(options) {
  if (options_.stride == kSameAsKernel) options_.stride = kernel_size;
  kernels::check_window({kernel_size, options_.stride, options.padding, options.dilation}, "max_pool2d");
}

Tensor MaxPool2d::forward(const Tensor& input) { return max_pool2d(input, kernel_size_, options_); }

std::string MaxPool2d::extra_repr() const {
  return cat("kernel_size=", text(kernel_size_), ", stride=", text(options_.stride),
             ", padding=", text(options_.padding), ", dilation=", text(options_.dilation),
             ", ceil_mode=", options_.ceil_mode ? "True" : "False");
}

AvgPool2d::AvgPool2d(Pair kernel_size, const AvgPool2dOptions& options)
    : kernel_size_(kernel_size), options_(options) {
  if (options_.stride == kSameAsKernel) options_.stride = kernel_size;
  kernels::check_window({kernel_size, options_.stride, options.padding, 1}, "avg_pool2d");
}

Tensor AvgPool2d::forward(const Tensor& input) { return avg_pool2d(input, kernel_size_, options_); }

std::string AvgPool2d::extra_repr() const {
  return cat("kernel_size=", text(kernel_size_), ", stride=", text(options_.stride),
             ", padding=", text(options_.padding));
}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(std::optional<std::int64_t> height, std::optional<std::int64_t> width)
    : height_(height), width_(width) {
  require(height.value_or(1) > 0 && width.value_or(1) > 0, ErrorCode::kInvalidArgument, "adaptive_avg_pool2d",
          "expected a positive output size, found (", text(height), ", ", text(width), ")");
}

AdaptiveAvgPool2d::AdaptiveAvgPool2d(Pair output_size) : AdaptiveAvgPool2d(output_size.h, output_size.w) {
  is_one_number_ = output_size.is_one_number;
}

Tensor AdaptiveAvgPool2d::forward(const Tensor& input) {
  return adaptive_avg_pool2d(input, {height_ ? *height_ : input.size(-2), width_ ? *width_ : input.size(-1)});
}

std::string AdaptiveAvgPool2d::extra_repr() const {
  if (is_one_number_) return cat("output_size=", text(height_));
  return cat("output_size=(", text(height_), ", ", text(width_), ")");
}

}  // namespace sconce::nn
