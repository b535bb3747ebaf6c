#include "sconce/toolbox/stats.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>

#include "sconce/core/expanded.h"

namespace sconce::toolbox {
namespace {

// Elements converted at a time: memory stays small whatever the tensor's size.
constexpr std::int64_t kStatsBlock = 1 << 16;

// Welford's update: one pass, no cancellation.
class StatsSums {
 public:
  void add(double value) {
    ++stats_.count;
    if (std::isnan(value)) {
      ++stats_.nan;
      return;
    }
    if (std::isinf(value)) {
      ++stats_.infinite;
      return;
    }
    if (value == 0) ++stats_.zeros;
    ++finite_;
    stats_.min = finite_ == 1 ? value : std::min(stats_.min, value);
    stats_.max = finite_ == 1 ? value : std::max(stats_.max, value);
    const double delta = value - mean_;
    mean_ += delta / static_cast<double>(finite_);
    squares_ += delta * (value - mean_);
  }

  TensorStats finish() {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    if (finite_ == 0) {
      stats_.min = stats_.max = stats_.mean = stats_.std = kNone;
    } else {
      stats_.mean = mean_;
      stats_.std = std::sqrt(squares_ / static_cast<double>(finite_));
    }
    return stats_;
  }

 private:
  TensorStats stats_;
  std::int64_t finite_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

}  // namespace

TensorStats tensor_stats(const Array& array) {
  const DTypeKind kind = dtype_info(array.dtype()).kind;
  require(kind != DTypeKind::kQuantized && kind != DTypeKind::kRaw, ErrorCode::kDTypeMismatch, "stats",
          "elements of ", array.dtype(), " have no value of their own");
  refuse_expanded(array);
  StatsSums summary;
  const Array flat = array.reshape({-1});
  for (std::int64_t begin = 0; begin < flat.numel(); begin += kStatsBlock) {
    const Array block = flat.narrow(0, begin, std::min(kStatsBlock, flat.numel() - begin));
    if (is_complex(array.dtype())) {
      for (const std::complex<double> value : block.to_vector<std::complex<double>>())
        summary.add(std::abs(value));
    } else {
      for (const double value : block.to_vector<double>()) summary.add(value);
    }
  }
  return summary.finish();
}

}  // namespace sconce::toolbox
