// What torch.load(weights_only=True) knows, version by version, as tables: which opcodes, which globals.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "sconce/core/dtype.h"

namespace sconce::checkpoint::weights_only {

// A set of PyTorch versions, one bit each.
using Versions = std::uint8_t;
inline constexpr Versions kTorch1_13 = 1;
inline constexpr Versions kTorch2_6 = 2;
inline constexpr Versions kTorch2_13 = 4;
inline constexpr Versions kTorch2 = kTorch2_6 | kTorch2_13;
inline constexpr Versions kEvery = kTorch1_13 | kTorch2;
inline constexpr std::array<std::string_view, 3> kVersionNames = {"1.13", "2.6", "2.13"};

// The versions whose unpickler knows the opcode; 0 for one that none knows.
Versions versions_with_opcode(std::uint8_t opcode);

// What an allowed global is, and so what calling it does.
enum class Callee : std::uint8_t {
  kOrderedDict,
  kCounter,
  kSet,
  kByteArray,
  kComplex,
  kEncode,
  kSize,
  kDevice,
  kGetLayout,
  kTensor,        // torch.Tensor
  kTensorType,    // torch.FloatTensor
  kSparseType,    // torch.sparse.FloatTensor
  kCudaType,      // torch.cuda.FloatTensor, torch.cuda.sparse.FloatTensor
  kStorageClass,  // torch.FloatStorage, torch.cuda.FloatStorage
  kTypedStorage,
  kUntypedStorage,
  kDType,
  kQScheme,
  kParameter,
  kRebuildTensor,
  kRebuildTensorV2,
  kRebuildTensorV3,
  kRebuildParameter,
  kRebuildParameterWithState,
  kRebuildSparse,
  kRebuildSparseCsr,
  kRebuildMeta,
  kRebuildQuantized,
  kRebuildNested,
  kRebuildWrapper,
  kRebuildFromNumpy,
  kRebuildFromCpu,
  kRebuildFromType,
};

struct Allowed {
  Callee callee = Callee::kOrderedDict;
  Versions versions = 0;
  std::optional<DType> dtype;   // of kDType, kTensorType, kSparseType, kCudaType, kStorageClass
  bool per_channel = false;     // of kQScheme
  bool loadable_scheme = true;  // of kQScheme: _rebuild_qtensor knows it
  std::string_view path = {};   // its full name
};

// The row of the global whose full name is `path` (module and name joined by a dot), or null.
const Allowed* find_allowed(std::string_view path);

// Modules that 2.x refuses before it looks into its list.
bool is_blocked_module(std::string_view module);

}  // namespace sconce::checkpoint::weights_only
