// Batch normalisation of images.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sconce/nn/module.h"

namespace sconce::nn {

struct BatchNorm2dOptions {
  double eps = 1e-5;
  std::optional<double> momentum =
      0.1;                          // the batch's share of the running statistics; nullopt: plain average
  bool affine = true;               // with weight and bias
  bool track_running_stats = true;  // otherwise the batch's statistics are used in eval mode, too
  bool bias = true;                 // false: weight only
  DType dtype = kFloat32;
};

// Normalises each channel of (N, C, H, W): by the batch's statistics in training mode, by the running ones in
// eval mode.
class BatchNorm2d : public Layer {
 public:
  explicit BatchNorm2d(std::int64_t num_features, const BatchNorm2dOptions& options = {});

  // Errors: kShapeMismatch unless the input has 4 dimensions and num_features channels, kInvalidArgument for
  // a single value per channel in training mode.
  Tensor forward(const Tensor& input) override;
  std::string extra_repr() const override;
  // Since version 2 there is num_batches_tracked; older state_dicts may lack it.
  std::int64_t version() const override { return 2; }
  void upgrade_state(LoadUpgrade& upgrade) const override;

  Parameter weight, bias;            // (num_features,), absent unless affine
  Buffer running_mean, running_var;  // (num_features,), absent unless tracked; the variance is unbiased
  Buffer num_batches_tracked;        // int64, 0-d, absent unless tracked
  SCONCE_MODULE(weight, bias, running_mean, running_var, num_batches_tracked)

 private:
  std::int64_t num_features_;
  BatchNorm2dOptions options_;
};

}  // namespace sconce::nn
