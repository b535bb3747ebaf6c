// Follows torch/nn/init.py: constants in double, in the same order of operations.
#include "sconce/nn/init.h"

#include <array>
#include <cmath>

namespace sconce::nn {
namespace {

thread_local bool skips_init = false;

}  // namespace

SkipInit::SkipInit() : previous_(skips_init) { skips_init = true; }
SkipInit::~SkipInit() { skips_init = previous_; }
bool SkipInit::is_active() { return skips_init; }

namespace init {
namespace {

double kaiming_std(const Shape& shape, const KaimingOptions& options) {
  const bool by_input = options.mode == "fan_in";
  require(by_input || options.mode == "fan_out", ErrorCode::kInvalidArgument, "init",
          "expected mode \"fan_in\" or \"fan_out\", found \"", options.mode, "\"");
  const Fans sizes = fans(shape);
  const double gain = calculate_gain(options.nonlinearity, options.a);
  return gain / std::sqrt(static_cast<double>(by_input ? sizes.in : sizes.out));
}

double xavier_std(const Shape& shape, double gain) {
  const Fans sizes = fans(shape);
  return gain * std::sqrt(2.0 / static_cast<double>(sizes.in + sizes.out));
}

}  // namespace

void uniform(Tensor tensor, double low, double high, Generator& generator) {
  if (!skips_init) kernels::uniform(tensor.mutable_array(), low, high, generator);
}

void normal(Tensor tensor, double mean, double std, Generator& generator) {
  if (!skips_init) kernels::normal(tensor.mutable_array(), mean, std, generator);
}

void constant(Tensor tensor, double value) {
  if (!skips_init) tensor.mutable_array().fill(value);
}

void zeros(const Tensor& tensor) { constant(tensor, 0); }
void ones(const Tensor& tensor) { constant(tensor, 1); }

Fans fans(const Shape& shape) {
  require(shape.size() >= 2, ErrorCode::kShapeMismatch, "init",
          "fan in and fan out need a tensor with 2 dimensions or more, found shape ", shape);
  std::int64_t area = 1;
  for (std::size_t i = 2; i < shape.size(); ++i) area *= shape[i];
  return {shape[1] * area, shape[0] * area};
}

double calculate_gain(std::string_view nonlinearity, std::optional<double> param) {
  constexpr std::array<std::string_view, 8> kLinear = {
      "linear",           "conv1d",           "conv2d",           "conv3d",
      "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid"};
  for (const std::string_view name : kLinear) {
    if (nonlinearity == name) return 1;
  }
  if (nonlinearity == "tanh") return 5.0 / 3;
  if (nonlinearity == "relu") return std::sqrt(2.0);
  if (nonlinearity == "leaky_relu") {
    const double slope = param.value_or(0.01);
    return std::sqrt(2.0 / (1 + slope * slope));
  }
  if (nonlinearity == "selu") return 3.0 / 4;
  fail(ErrorCode::kInvalidArgument, "init", "Unsupported nonlinearity ", nonlinearity);
}

void xavier_uniform(const Tensor& tensor, double gain, Generator& generator) {
  const double bound = std::sqrt(3.0) * xavier_std(tensor.shape(), gain);
  uniform(tensor, -bound, bound, generator);
}

void xavier_normal(const Tensor& tensor, double gain, Generator& generator) {
  normal(tensor, 0, xavier_std(tensor.shape(), gain), generator);
}

void kaiming_uniform(const Tensor& tensor, const KaimingOptions& options, Generator& generator) {
  if (tensor.numel() == 0) return;
  const double bound = std::sqrt(3.0) * kaiming_std(tensor.shape(), options);
  uniform(tensor, -bound, bound, generator);
}

void kaiming_normal(const Tensor& tensor, const KaimingOptions& options, Generator& generator) {
  if (tensor.numel() == 0) return;
  normal(tensor, 0, kaiming_std(tensor.shape(), options), generator);
}

void linear_defaults(const Tensor& weight, const Tensor& bias) {
  kaiming_uniform(weight, {.a = std::sqrt(5.0)});
  if (!bias.defined()) return;
  const std::int64_t fan_in = fans(weight.shape()).in;
  const double bound = fan_in > 0 ? 1 / std::sqrt(static_cast<double>(fan_in)) : 0;
  uniform(bias, -bound, bound);
}

}  // namespace init
}  // namespace sconce::nn
