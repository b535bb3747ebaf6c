#include "checkpoint/module_versions.h"

#include <algorithm>

namespace sconce::checkpoint {
namespace {

struct VersionRow {
  std::string_view module;  // without "torch." or "torch.ao."
  std::string_view name;    // the class begins with this
  std::int64_t version;
};

// Every class of PyTorch 1.13 and 2.13 whose _version is not 1.
constexpr VersionRow kVersionRows[] = {
    {"nn.modules.batchnorm", "", 2},
    {"nn.modules.instancenorm", "", 2},
    {"nn.intrinsic.qat.modules.conv_fused", "ConvBn", 2},
    {"nn.intrinsic.qat.modules.conv_fused", "_ConvBn", 2},
    {"nn.intrinsic.quantized.modules.bn_relu", "", 2},
    {"nn.intrinsic.quantized.modules.linear_relu", "", 3},
    {"nn.intrinsic.quantized.dynamic.modules.linear_relu", "", 4},
    {"nn.quantized.modules.batchnorm", "", 2},
    {"nn.quantized.modules.normalization", "InstanceNorm", 2},
    {"nn.quantized.modules.linear", "", 3},
    {"nn.quantized.dynamic.modules.linear", "", 4},
    {"nn.quantized.dynamic.modules.rnn", "RNNBase", 2},
    {"nn.quantized.dynamic.modules.rnn", "LSTM", 2},
    {"nn.quantized.dynamic.modules.rnn", "GRU", 2},
    {"quantization.observer", "MinMaxObserver", 3},
    {"quantization.observer", "MovingAverage", 3},
    {"quantization.observer", "PerChannelMinMaxObserver", 3},
    {"quantization.observer", "UniformQuantizationObserverBase", 3},
    {"quantization.observer", "HistogramObserver", 3},
};

}  // namespace

std::int64_t module_version(std::string_view module, std::string_view name) {
  // The one class of torchvision that makes itself anew for another version; the others only rename keys.
  if (module == "torchvision.models.mnasnet" && name == "MNASNet") return 2;
  if (!module.starts_with("torch.")) return 1;
  module.remove_prefix(6);
  if (module.starts_with("ao.")) module.remove_prefix(3);
  // LSTMCell and GRUCell share the beginning of a name, not the version.
  if (name.ends_with("Cell")) return 1;
  const auto* row =
      std::find_if(std::begin(kVersionRows), std::end(kVersionRows), [&](const VersionRow& candidate) {
        return candidate.module == module && name.starts_with(candidate.name);
      });
  return row == std::end(kVersionRows) ? 1 : row->version;
}

}  // namespace sconce::checkpoint
