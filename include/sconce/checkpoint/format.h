// The checkpoint formats that sconce reads and writes.
#pragma once

#include <cstdint>
#include <string_view>

namespace sconce::checkpoint {

enum class Format : std::uint8_t {
  kTorchZip,          // torch.save since 1.6
  kTorchLegacy,       // the stream of torch.save until 1.5
  kTorchTar,          // torch.save of 0.1
  kTorchScript,       // torch.jit.save
  kTorchIndex,        // several torch files and their *.index.json
  kSafetensors,       // huggingface's safetensors
  kSafetensorsIndex,  // several safetensors files and their *.index.json
  kDcp,               // a folder of torch.distributed.checkpoint
  kNpz,               // numpy's .npz, or one .npy
};

// The name that `sconce inspect --json` prints: "torch-zip", "safetensors", ...
std::string_view format_name(Format format);

}  // namespace sconce::checkpoint
