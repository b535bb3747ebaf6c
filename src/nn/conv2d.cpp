#include "sconce/nn/conv2d.h"

#include "sconce/nn/functional.h"
#include "sconce/nn/init.h"
#include "sconce/tensor/factory.h"

namespace sconce::nn {
namespace {

constexpr std::pair<std::string_view, PadMode> kPadModes[] = {{"zeros", PadMode::kConstant},
                                                              {"reflect", PadMode::kReflect},
                                                              {"replicate", PadMode::kReplicate},
                                                              {"circular", PadMode::kCircular}};

PadMode pad_mode(std::string_view word) {
  for (const auto& [name, mode] : kPadModes) {
    if (name == word) return mode;
  }
  fail(ErrorCode::kInvalidArgument, "conv2d",
       "expected padding_mode \"zeros\", \"reflect\", \"replicate\" or \"circular\", found \"", escaped(word),
       "\"");
}

std::string text(const Pair& pair) { return cat("(", pair.h, ", ", pair.w, ")"); }

}  // namespace

Conv2d::Conv2d(std::int64_t in_channels, std::int64_t out_channels, Pair kernel_size,
               const Conv2dOptions& options)
    : in_channels_(in_channels),
      out_channels_(out_channels),
      kernel_size_(kernel_size),
      options_(options),
      pad_mode_(pad_mode(options.padding_mode)) {
  const auto refuse_unless = [](bool condition, const auto&... parts) {
    require(condition, ErrorCode::kInvalidArgument, "conv2d", parts...);
  };
  const std::int64_t groups = options.groups;
  const Pair stride = options.stride;
  refuse_unless(groups > 0, "groups must be a positive integer, found ", groups);
  refuse_unless(in_channels >= 0 && in_channels % groups == 0,
                "in_channels must be divisible by groups, found ", in_channels, " and ", groups);
  refuse_unless(out_channels >= 0 && out_channels % groups == 0,
                "out_channels must be divisible by groups, found ", out_channels, " and ", groups);
  kernels::check_window({kernel_size, stride, options.padding.size(), options.dilation}, "conv2d");
  refuse_unless(!options.padding.is_same() || stride == Pair(1),
                "padding='same' is not supported for strided convolutions");
  const TensorOptions of_dtype{.dtype = options.dtype};
  weight = Parameter(empty({out_channels, in_channels / groups, kernel_size.h, kernel_size.w}, of_dtype));
  if (options.bias) bias = Parameter(empty({out_channels}, of_dtype));
  init::linear_defaults(weight, bias);
}

Tensor Conv2d::forward(const Tensor& input) {
  return functional::conv2d(input, weight, bias,
                            {.stride = options_.stride,
                             .padding = options_.padding,
                             .dilation = options_.dilation,
                             .groups = options_.groups,
                             .padding_mode = pad_mode_});
}

// torch/nn/modules/conv.py, _ConvNd.extra_repr.
std::string Conv2d::extra_repr() const {
  std::string out = cat(in_channels_, ", ", out_channels_, ", kernel_size=", text(kernel_size_),
                        ", stride=", text(options_.stride));
  if (options_.padding.str() != "(0, 0)") out += cat(", padding=", options_.padding.str());
  if (options_.dilation != Pair(1)) out += cat(", dilation=", text(options_.dilation));
  if (options_.groups != 1) out += cat(", groups=", options_.groups);
  if (!bias.defined()) out += ", bias=False";
  if (pad_mode_ != PadMode::kConstant) out += cat(", padding_mode=", options_.padding_mode);
  return out;
}

}  // namespace sconce::nn
