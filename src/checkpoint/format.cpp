#include "sconce/checkpoint/format.h"

#include <array>

namespace sconce::checkpoint {

std::string_view format_name(Format format) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "torch-zip",   "torch-legacy",      "torch-tar", "torchscript", "torch-index",
      "safetensors", "safetensors-index", "dcp",       "npz"};
  return kNames[static_cast<std::size_t>(format)];
}

}  // namespace sconce::checkpoint
