// Stochastic gradient descent with momentum.
#pragma once

#include <optional>
#include <vector>

#include "sconce/kernels/sgd.h"
#include "sconce/optim/optimizer.h"

namespace sconce::optim {

struct SgdOptions {
  double lr = 1e-3;
  double momentum = 0;
  double dampening = 0;
  double weight_decay = 0;
  bool nesterov = false;
  bool maximize = false;
};

// A parameter group: what is not given is as in the optimizer's SgdOptions.
struct SgdGroup {
  Params params;
  std::optional<double> lr = {};
  std::optional<double> momentum = {};
  std::optional<double> dampening = {};
  std::optional<double> weight_decay = {};
  std::optional<bool> nesterov = {};
  std::optional<bool> maximize = {};
};

// PyTorch's SGD, to the last bit for equal gradients. With weight decay added to it, the gradient g makes
// buffer = momentum * buffer + (1 - dampening) * g (g itself the first time), and the parameter moves by
// -lr times the buffer (nesterov: g + momentum * buffer; without momentum: g). The state of a parameter is
// "momentum_buffer", made when momentum is first used.
class SGD : public Optimizer {
 public:
  // Error kInvalidArgument for options or parameters that make no sense.
  explicit SGD(const Params& params, const SgdOptions& options = {});
  // SGD optimizer({{.params = a}, {.params = b, .lr = 0.1}}, {.lr = 0.01});
  explicit SGD(const std::vector<SgdGroup>& groups, const SgdOptions& options = {});

  void add_param_group(const SgdGroup& group);

 protected:
  void prepare(const ParamGroup& group) override;
  void update(const ParamGroup& group, Array& param, const Array& grad, ParamState& state) override;
  void upgrade(const ParamGroup& group, const Array& param, ParamState& state) const override;
  void check(const ParamGroup& group) const override;

 private:
  kernels::SgdRule rule_;  // of the group that is being updated
};

}  // namespace sconce::optim
