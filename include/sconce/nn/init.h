// Initial values of parameters: torch.nn.init, bit for bit.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sconce/kernels/random.h"
#include "sconce/tensor/tensor.h"

namespace sconce::nn {

// While one lives, modules built by this thread leave their parameters unfilled and draw no random numbers:
// for models that are loaded next. Every function of nn::init does nothing meanwhile.
class SkipInit {
 public:
  SkipInit();
  SkipInit(const SkipInit&) = delete;
  SkipInit& operator=(const SkipInit&) = delete;
  ~SkipInit();
  static bool is_active();

 private:
  bool previous_;
};

namespace init {

// Each fills `tensor` in place, unrecorded. Errors as kernels::uniform and kernels::normal.

// Uniform in [low, high).
void uniform(Tensor tensor, double low = 0, double high = 1, Generator& generator = default_generator());
void normal(Tensor tensor, double mean = 0, double std = 1, Generator& generator = default_generator());
void constant(Tensor tensor, double value);
void zeros(const Tensor& tensor);
void ones(const Tensor& tensor);

// What a weight (out, in, ...) of rank 2 or more sees and feeds: size(1) and size(0), times the kernel's
// area.
struct Fans {
  std::int64_t in = 0;
  std::int64_t out = 0;
};
// Error kShapeMismatch for a lower rank.
Fans fans(const Shape& shape);

// PyTorch's recommended gain: "linear", "conv1d" (and the other convolutions), "sigmoid", "tanh", "relu",
// "leaky_relu" (param: its slope, 0.01 unless given), "selu". Error kInvalidArgument for another name.
double calculate_gain(std::string_view nonlinearity, std::optional<double> param = std::nullopt);

// Uniform in +-gain * sqrt(6 / (fans.in + fans.out)); normal with the same variance.
void xavier_uniform(const Tensor& tensor, double gain = 1, Generator& generator = default_generator());
void xavier_normal(const Tensor& tensor, double gain = 1, Generator& generator = default_generator());

struct KaimingOptions {
  double a = 0;                                  // slope of leaky_relu
  std::string_view mode = "fan_in";              // or "fan_out": which variance is kept
  std::string_view nonlinearity = "leaky_relu";  // as for calculate_gain
};
// Uniform in +-gain * sqrt(3 / fan); normal with standard deviation gain / sqrt(fan).
void kaiming_uniform(const Tensor& tensor, const KaimingOptions& options = {},
                     Generator& generator = default_generator());
void kaiming_normal(const Tensor& tensor, const KaimingOptions& options = {},
                    Generator& generator = default_generator());

// What Linear and Conv2d begin with: kaiming_uniform with a = sqrt(5) for the weight, then, unless absent, a
// bias that is uniform in +-1 / sqrt(fans(weight).in).
void linear_defaults(const Tensor& weight, const Tensor& bias);

}  // namespace init
}  // namespace sconce::nn
