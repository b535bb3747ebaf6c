#include "checkpoint/weights_only_rules.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "sconce/base/text.h"

namespace sconce::checkpoint::weights_only {
namespace {

struct OpcodeRow {
  std::uint8_t opcode;
  Versions versions;
};

constexpr OpcodeRow kOpcodes[] = {
    {'c', kEvery},  {0x81, kEvery}, {'R', kEvery},  {'b', kEvery},  {'a', kEvery},  {'e', kEvery},
    {'s', kEvery},  {'u', kEvery},  {'(', kEvery},  {'t', kEvery},  {0x85, kEvery}, {0x86, kEvery},
    {0x87, kEvery}, {'N', kEvery},  {0x88, kEvery}, {0x89, kEvery}, {')', kEvery},  {']', kEvery},
    {'}', kEvery},  {0x8F, kEvery}, {'J', kEvery},  {'K', kEvery},  {'M', kEvery},  {'G', kTorch2},
    {'X', kEvery},  {'U', kEvery},  {'Q', kEvery},  {'h', kEvery},  {'j', kEvery},  {'q', kEvery},
    {'r', kEvery},  {0x8A, kEvery}, {0x80, kEvery}, {'.', kEvery},
};

struct GlobalRow {
  std::string_view path;
  Callee callee;
  Versions versions;
};

constexpr GlobalRow kGlobals[] = {
    {"collections.OrderedDict", Callee::kOrderedDict, kEvery},
    {"collections.Counter", Callee::kCounter, kTorch2},
    {"builtins.set", Callee::kSet, kTorch2},
    {"builtins.bytearray", Callee::kByteArray, kTorch2},
    {"builtins.complex", Callee::kComplex, kTorch2},
    {"_codecs.encode", Callee::kEncode, kTorch2},
    {"torch.Size", Callee::kSize, kEvery},
    {"torch.device", Callee::kDevice, kTorch2},
    {"torch.Tensor", Callee::kTensor, kEvery},
    {"torch.nn.parameter.Parameter", Callee::kParameter, kEvery},
    {"torch.serialization._get_layout", Callee::kGetLayout, kEvery},
    {"torch.storage.TypedStorage", Callee::kTypedStorage, kEvery},
    {"torch.storage.UntypedStorage", Callee::kUntypedStorage, kEvery},
    {"torch._utils._rebuild_tensor", Callee::kRebuildTensor, kEvery},
    {"torch._utils._rebuild_tensor_v2", Callee::kRebuildTensorV2, kEvery},
    {"torch._utils._rebuild_tensor_v3", Callee::kRebuildTensorV3, kTorch2},
    {"torch._utils._rebuild_parameter", Callee::kRebuildParameter, kEvery},
    {"torch._utils._rebuild_parameter_with_state", Callee::kRebuildParameterWithState, kTorch2},
    {"torch._utils._rebuild_sparse_tensor", Callee::kRebuildSparse, kEvery},
    {"torch._utils._rebuild_sparse_csr_tensor", Callee::kRebuildSparseCsr, kTorch1_13},
    {"torch._utils._rebuild_meta_tensor_no_storage", Callee::kRebuildMeta, kEvery},
    {"torch._utils._rebuild_qtensor", Callee::kRebuildQuantized, kTorch2},
    {"torch._utils._rebuild_nested_tensor", Callee::kRebuildNested, kTorch2},
    {"torch._utils._rebuild_wrapper_subclass", Callee::kRebuildWrapper, kTorch2},
    {"torch._utils._rebuild_device_tensor_from_numpy", Callee::kRebuildFromNumpy, kTorch2},
    {"torch._utils._rebuild_device_tensor_from_cpu_tensor", Callee::kRebuildFromCpu, kTorch2},
    {"torch._tensor._rebuild_from_type_v2", Callee::kRebuildFromType, kTorch2},
};

// Names of torch.<kind>Tensor; bool has no sparse class.
constexpr std::pair<std::string_view, DType> kTensorKinds[] = {
    {"Float", kFloat32}, {"Double", kFloat64}, {"Half", kFloat16}, {"BFloat16", kBFloat16}, {"Byte", kUInt8},
    {"Char", kInt8},     {"Short", kInt16},    {"Int", kInt32},    {"Long", kInt64},        {"Bool", kBool},
};

// The dtypes that 1.13 lists; 2.x lists every one. `torch.uint1` and its like hold no tensor of ours.
constexpr DType kOldDTypes[] = {kComplex32, kComplex64, kComplex128, kFloat16, kFloat32,
                                kFloat64,   kInt8,      kInt16,      kInt32,   kInt64};
constexpr DType kNewerDTypes[] = {kBComplex32};                    // not in 2.13 yet
constexpr DType kNewDTypes[] = {kFloat8E8M0FNU, kFloat4E2M1FNx2};  // not in 2.6 yet
constexpr std::string_view kShellDTypes[] = {"uint1", "uint2", "uint3", "uint4", "uint5", "uint6", "uint7",
                                             "int1",  "int2",  "int3",  "int4",  "int5",  "int6",  "int7"};

constexpr std::string_view kQSchemes[] = {"per_tensor_affine", "per_tensor_symmetric", "per_channel_affine",
                                          "per_channel_symmetric", "per_channel_affine_float_qparams"};

using Table = std::unordered_map<std::string, Allowed>;

void add_dtypes(Table& table) {
  for (const DTypeInfo& info : all_dtypes()) {
    const auto is_one_of = [&](std::span<const DType> list) {
      return std::find(list.begin(), list.end(), info.dtype) != list.end();
    };
    if (!is_in_torch(info.dtype) || is_one_of(kNewerDTypes)) continue;
    const Versions versions = is_one_of(kOldDTypes) ? kEvery : is_one_of(kNewDTypes) ? kTorch2_13 : kTorch2;
    table[cat("torch.", info.name)] = {Callee::kDType, versions, info.dtype};
  }
  for (const std::string_view name : kShellDTypes) {
    table[cat("torch.", name)] = {Callee::kDType, kTorch2_13, std::nullopt};
  }
}

void add_storages(Table& table) {
  for (const DTypeInfo& info : all_dtypes()) {
    if (info.storage.empty()) continue;
    const Allowed row{Callee::kStorageClass, kEvery, info.dtype};
    table[cat("torch.", info.storage)] = row;
    if (info.kind != DTypeKind::kQuantized) table[cat("torch.cuda.", info.storage)] = row;
  }
}

void add_tensor_classes(Table& table) {
  for (const auto& [kind, dtype] : kTensorKinds) {
    table[cat("torch.", kind, "Tensor")] = {Callee::kTensorType, kEvery, dtype};
    table[cat("torch.cuda.", kind, "Tensor")] = {Callee::kCudaType, kEvery, dtype};
    if (dtype == kBool) continue;
    table[cat("torch.sparse.", kind, "Tensor")] = {Callee::kSparseType, kEvery, dtype};
    table[cat("torch.cuda.sparse.", kind, "Tensor")] = {Callee::kCudaType, kEvery, dtype};
  }
}

Table make_table() {
  Table table;
  for (const GlobalRow& row : kGlobals) table[std::string(row.path)] = {row.callee, row.versions, {}};
  add_dtypes(table);
  add_storages(table);
  add_tensor_classes(table);
  for (const std::string_view name : kQSchemes) {
    table[cat("torch.", name)] = {
        Callee::kQScheme, kTorch2, {}, name.starts_with("per_channel"), !name.ends_with("symmetric")};
  }
  for (auto& [path, row] : table) row.path = path;
  return table;
}

}  // namespace

Versions versions_with_opcode(std::uint8_t opcode) {
  const auto* row = std::find_if(std::begin(kOpcodes), std::end(kOpcodes),
                                 [opcode](const OpcodeRow& candidate) { return candidate.opcode == opcode; });
  return row == std::end(kOpcodes) ? Versions{0} : row->versions;
}

const Allowed* find_allowed(std::string_view path) {
  static const Table kTable = make_table();
  const auto at = kTable.find(std::string(path));
  return at == kTable.end() ? nullptr : &at->second;
}

bool is_blocked_module(std::string_view module) {
  return module == "sys" || module == "os" || module == "posix" || module == "nt";
}

}  // namespace sconce::checkpoint::weights_only
