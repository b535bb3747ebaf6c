// What the globals of torch pickles stand for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "sconce/checkpoint/pickle_facts.h"
#include "sconce/codec/pickle.h"
#include "sconce/core/dtype.h"

namespace sconce::checkpoint {

struct StorageClass {
  std::optional<DType> dtype;  // nullopt: UntypedStorage
};

// The storage class a global names. As in PyTorch the name alone decides, within torch's storage modules.
std::optional<StorageClass> storage_class_of(const pickle::Global& global);

// The dtype that the global torch.<name> is.
std::optional<DType> dtype_of_global(const pickle::Global& global);

// An allow-list: what it does not hold is kUnknown.
Trust trust_of(std::string_view module, std::string_view name);

// True for the module classes of torch.nn itself.
bool is_nn_module(std::string_view module, std::string_view name);

// A few words on why a global is trusted so: what the well-known dangerous ones do, say.
std::string_view why_trusted(Trust trust, std::string_view module, std::string_view name);

}  // namespace sconce::checkpoint
