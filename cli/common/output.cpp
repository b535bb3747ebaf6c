#include "common/output.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace sconce::cli {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 16;

}  // namespace

Output& out() {
  static Output output;
  return output;
}

void Output::print(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() >= kBufferBytes) flush();
}

void Output::print_json(const Json& json, int indent) {
  print(json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n");
}

void Output::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t put = ::write(STDOUT_FILENO, rest.data(), rest.size());
    if (put >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(put));
      continue;
    }
    const int number = errno;
    if (number == EINTR) continue;
    buffer_.clear();
    if (number == EPIPE) throw ClosedPipe{};
    throw OutputError(number == ENOSPC ? ErrorCode::kNoSpace : ErrorCode::kIo, "",
                      cat("cannot write to standard output: ", std::generic_category().message(number)));
  }
  buffer_.clear();
}

}  // namespace sconce::cli
