// The checkpoint formats that sconce reads and writes.
#pragma once

#include <cstdint>
#include <string_view>

namespace sconce::checkpoint {

enum class Format : std::uint8_t {
  kTorchZip,     // torch.save since 1.6
  kSafetensors,  // huggingface's safetensors
};

// The name that `sconce inspect --json` prints: "torch-zip", "safetensors".
std::string_view format_name(Format format);

}  // namespace sconce::checkpoint
