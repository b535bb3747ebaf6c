#include "sconce/base/error.h"

#include <array>

namespace sconce {
namespace {

std::string composed(std::string_view where, std::string_view text, std::string_view path = {},
                     std::string_view advice = {}) {
  std::string out;
  if (!path.empty()) out += cat(escaped(path), ": ");
  if (!where.empty()) {
    out += '[';
    out += where;
    out += "] ";
  }
  out += text;
  if (!advice.empty()) out += cat("; ", advice);
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
    : std::runtime_error(composed(where, text)), code_(code), where_(where), text_(text) {}

void Error::compose() {
  static_cast<std::runtime_error&>(*this) = std::runtime_error(composed(where_, text_, path_, advice_));
}

Error Error::in_file(std::string_view path) const {
  Error out = *this;
  if (!path_.empty()) return out;
  out.path_ = path;
  out.compose();
  return out;
}

Error Error::at_offset(std::uint64_t offset) const {
  Error out = *this;
  if (offset_) return out;
  out.offset_ = offset;
  out.text_ += offset_suffix(offset);
  out.compose();
  return out;
}

Error Error::in_record(std::string_view record, OffsetIn offset_in) const {
  Error out = *this;
  if (!record_.empty() || record.empty()) return out;
  out.record_ = record;
  out.offset_in_ = offset_in;
  const std::string name = cat("'", escaped(record), "'");
  if (offset_ && offset_in == OffsetIn::kRecord) {
    const std::string suffix = offset_suffix(*offset_);
    if (out.text_.ends_with(suffix)) out.text_.resize(out.text_.size() - suffix.size());
    out.text_ += cat(" (at byte ", *offset_, " of the record ", name, ")");
  } else if (out.text_.find(name) == std::string::npos) {
    out.text_ += cat(" (in the record ", name, ")");
  }
  out.compose();
  return out;
}

Error Error::with_limit(std::string_view limit) const {
  Error out = *this;
  out.limit_ = limit;
  return out;
}

Error Error::with_advice(std::string_view advice) const {
  Error out = *this;
  if (!advice_.empty()) return out;
  out.advice_ = advice;
  out.compose();
  return out;
}

}  // namespace sconce
