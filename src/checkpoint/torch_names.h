// What the globals of torch pickles stand for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

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

// How much Python does when it meets a global in a pickle.
enum class Trust : std::uint8_t {
  kUnknown,  // could be anything, so it is treated as running code: never written
  kInert,    // makes plain data, but weights_only=True refuses it: written with keep_objects
  kPlain,    // a value that weights_only=True takes: always written
};

// An allow-list: what it does not hold is kUnknown.
Trust trust_of(std::string_view module, std::string_view name);

}  // namespace sconce::checkpoint
