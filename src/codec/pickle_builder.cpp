#include "codec/pickle_builder.h"

#include <limits>
#include <utility>

#include "codec/pickle_text.h"
#include "sconce/base/big_int.h"
#include "sconce/base/byte_reader.h"

namespace sconce::pickle::detail {

std::string Builder::describe(NodeId node) const { return Node(&arena_, node).describe(); }

std::uint32_t Builder::checked_size(std::size_t size) const {
  if (size > std::numeric_limits<std::uint32_t>::max()) {
    stop(ErrorCode::kLimit, cat("a text or tuple of ", size, " bytes or items, at most 2^32 - 1 are read"));
  }
  return static_cast<std::uint32_t>(size);
}

std::string_view Builder::keep(std::string text) {
  charge(text.size() + sizeof(std::string));
  return arena_.owned.emplace_back(std::move(text));
}

void Builder::push_big_integer(std::span<const std::byte> bytes) {
  if (const auto small = integer_to_int64(bytes)) return push_integer(*small);
  push_new(text_record(Kind::kBigInt, as_chars(shortest_integer(bytes))));
}

void Builder::push_decimal(std::string_view line) {
  const auto bytes = integer_from_decimal(line);
  if (!bytes) corrupt("expected a decimal integer");
  if (const auto small = integer_to_int64(*bytes)) return push_integer(*small);
  push_big_integer(as_byte_span(keep(std::string(as_chars(*bytes)))));
}

void Builder::push_string(std::string_view text) {
  if (!is_python_utf8(text)) corrupt("a string is not valid UTF-8");
  push_new(text_record(Kind::kString, text));
}

void Builder::push_python2_string(std::string_view text) {
  Record record = text_record(is_utf8(text) ? Kind::kString : Kind::kBytes, text);
  record.flag = true;
  push_new(record);
}

void Builder::push_quoted_line(std::string_view line) {
  auto text = unquote_python2(line);
  if (!text) corrupt("expected a quoted string");
  push_python2_string(keep(std::move(*text)));
}

void Builder::push_escaped_line(std::string_view line) {
  auto text = decode_raw_unicode_escape(line);
  if (!text) corrupt("a string has a broken \\u escape");
  push_string(keep(std::move(*text)));
}

}  // namespace sconce::pickle::detail
