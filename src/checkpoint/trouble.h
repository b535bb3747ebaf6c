// Errors that say nothing about a checkpoint.
#pragma once

#include "sconce/base/error.h"

namespace sconce::checkpoint {

// True when something could not be looked at: no reason to call it damaged or lost.
inline bool is_trouble(const Error& error) {
  return error.code() == ErrorCode::kIo || error.code() == ErrorCode::kPermission ||
         error.code() == ErrorCode::kInterrupted;
}

}  // namespace sconce::checkpoint
