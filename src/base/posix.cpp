#include "base/posix.h"

#include <cerrno>
#include <system_error>

#include "sconce/base/error.h"

namespace sconce {
namespace {

ErrorCode code_of(int number) {
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kPermission;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::kNoSpace;
    default:
      return ErrorCode::kIo;
  }
}

}  // namespace

void fail_posix(int number, std::string_view action, std::string_view path) {
  throw Error(code_of(number), "file", cat("cannot ", action, ": ", std::generic_category().message(number)))
      .in_file(path);
}

}  // namespace sconce
