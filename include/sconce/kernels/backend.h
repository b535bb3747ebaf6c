// Which kernels compute: the fast ones or the plain reference loops.
#pragma once

#include <cstdint>

namespace sconce::kernels {

enum class Backend : std::uint8_t {
  kDefault,    // fast paths where a fixed rule of dtype, shape and thread count allows them
  kExact,      // the same without those that round more than plain sums do (Winograd's convolutions)
  kReference,  // the plain loops, always
};

// The backend of the whole process: SCONCE_BACKEND=reference|exact of the environment, else kDefault.
Backend backend();
// Sets it and returns the previous one. Meant for tests and for finding out whether a fast path is at fault.
Backend set_backend(Backend backend);

}  // namespace sconce::kernels
