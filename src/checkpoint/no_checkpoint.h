// What is there is no checkpoint, damaged or not: nothing that verify could report on.
#pragma once

#include "sconce/base/error.h"

namespace sconce::checkpoint {

class NoCheckpoint : public Error {
 public:
  NoCheckpoint(std::string_view where, std::string_view text) : Error(ErrorCode::kUnsupported, where, text) {}
};

template <class... Parts>
void require_checkpoint(bool condition, std::string_view where, const Parts&... parts) {
  if (!condition) throw NoCheckpoint(where, cat(parts...));
}

}  // namespace sconce::checkpoint
