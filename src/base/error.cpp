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

std::string offset_suffix(std::uint64_t offset) { return cat(" (at byte ", offset, ")"); }

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
    : std::runtime_error(compose(where, text, {})), code_(code), where_(where), text_(text) {}

Error::Error(const Error& from, std::string text, std::string path, std::string record,
             std::optional<std::uint64_t> offset, OffsetIn offset_in)
    : std::runtime_error(compose(from.where_, text, path)),
      code_(from.code_),
      where_(from.where_),
      text_(std::move(text)),
      path_(std::move(path)),
      record_(std::move(record)),
      offset_(offset),
      offset_in_(offset_in) {}

Error Error::in_file(std::string_view path) const {
  if (!path_.empty()) return *this;
  return {*this, text_, std::string(path), record_, offset_, offset_in_};
}

Error Error::at_offset(std::uint64_t offset) const {
  if (offset_) return *this;
  return {*this, cat(text_, offset_suffix(offset)), path_, record_, offset, offset_in_};
}

Error Error::in_record(std::string_view record, OffsetIn offset_in) const {
  if (!record_.empty() || record.empty()) return *this;
  const std::string name = cat("'", escaped(record), "'");
  std::string text = text_;
  if (offset_ && offset_in == OffsetIn::kRecord) {
    const std::string suffix = offset_suffix(*offset_);
    if (text.ends_with(suffix)) text.resize(text.size() - suffix.size());
    text += cat(" (at byte ", *offset_, " of the record ", name, ")");
  } else if (text.find(name) == std::string::npos) {
    text += cat(" (in the record ", name, ")");
  }
  return {*this, std::move(text), path_, std::string(record), offset_, offset_in};
}

}  // namespace sconce
