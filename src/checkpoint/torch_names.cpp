#include "checkpoint/torch_names.h"

namespace sconce::checkpoint {

std::optional<StorageClass> storage_class_of(const pickle::Global& global) {
  if (global.module != "torch" && global.module != "torch.cuda" && global.module != "torch.storage") {
    return std::nullopt;
  }
  if (global.name == "UntypedStorage" || global.name == "_UntypedStorage") return StorageClass{};
  const auto dtype = dtype_from_storage(global.name);
  if (!dtype) return std::nullopt;
  return StorageClass{dtype};
}

std::optional<DType> dtype_of_global(const pickle::Global& global) {
  return global.module == "torch" ? dtype_from_name(global.name) : std::nullopt;
}

}  // namespace sconce::checkpoint
