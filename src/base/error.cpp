#include "sconce/base/error.h"

#include <array>
#include <utility>

namespace sconce {
namespace {

std::string compose(std::string_view where, std::string_view text, std::string_view path) {
  std::string out;
  if (!path.empty()) out += escaped(path) + ": ";
  if (!where.empty()) {
    out += '[';
    out += where;
    out += "] ";
  }
  out += text;
  return out;
}

}  // namespace

void detail::fail_with(ErrorCode code, std::string_view where, std::span<const TextPart> parts) {
  throw Error(code, where, join(parts));
}

std::string_view error_code_name(ErrorCode code) {
  static constexpr std::array<std::string_view, 20> kNames = {
      "invalid_argument", "shape_mismatch", "dtype_mismatch", "index_out_of_range",
      "overflow",         "not_found",      "exists",         "io",
      "no_space",         "permission",     "truncated",      "corrupt",
      "checksum",         "unsupported",    "unsafe",         "limit",
      "key_mismatch",     "state",          "numeric",        "interrupted"};
  static_assert(kNames.size() == static_cast<std::size_t>(ErrorCode::kInterrupted) + 1);
  return kNames.at(static_cast<std::size_t>(code));
}

Error::Error(ErrorCode code, std::string_view where, std::string_view text)
    : Error(code, std::string(where), std::string(text), {}, std::nullopt) {}

Error::Error(ErrorCode code, std::string where, std::string text, std::string path,
             std::optional<std::uint64_t> offset)
    : std::runtime_error(compose(where, text, path)),
      code_(code),
      where_(std::move(where)),
      text_(std::move(text)),
      path_(std::move(path)),
      offset_(offset) {}

Error Error::in_file(std::string_view path) const {
  if (!path_.empty()) return *this;
  return {code_, where_, text_, std::string(path), offset_};
}

Error Error::at_offset(std::uint64_t offset) const {
  if (offset_) return *this;
  return {code_, where_, cat(text_, " (at byte ", offset, ")"), path_, offset};
}

}  // namespace sconce
