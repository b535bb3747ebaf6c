// A cursor over bytes in memory that never reads past its end.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "sconce/base/error.h"

namespace sconce {

// `value` with its bytes in the other order when the machine's order is not `order`.
template <class T>
requires std::is_trivially_copyable_v<T> T in_order(T value, std::endian order) {
  if (order == std::endian::native || sizeof(T) == 1) return value;
  std::byte raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  for (std::size_t i = 0; i < sizeof(T) / 2; ++i) std::swap(raw[i], raw[sizeof(T) - 1 - i]);
  std::memcpy(&value, raw, sizeof(T));
  return value;
}

inline std::string_view as_chars(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::span<const std::byte> as_byte_span(std::string_view chars) {
  return {reinterpret_cast<const std::byte*>(chars.data()), chars.size()};
}

class ByteReader {
 public:
  // Reads `bytes`; errors carry `where` and the offset `base_offset + position`.
  explicit ByteReader(std::span<const std::byte> bytes, std::string_view where, std::uint64_t base_offset = 0)
      : bytes_(bytes), where_(where), base_offset_(base_offset) {}

  std::size_t position() const { return position_; }
  std::uint64_t offset() const { return base_offset_ + position_; }
  std::size_t size() const { return bytes_.size(); }
  std::size_t remaining() const { return bytes_.size() - position_; }
  bool at_end() const { return remaining() == 0; }

  // Little-endian or big-endian number of type T; Error kTruncated when fewer bytes are left.
  template <class T>
  T little() {
    return number<T>(std::endian::little);
  }
  template <class T>
  T big() {
    return number<T>(std::endian::big);
  }
  std::uint8_t u8() { return number<std::uint8_t>(std::endian::native); }

  // The next n bytes, valid as long as the underlying bytes.
  std::span<const std::byte> bytes(std::uint64_t n) {
    need(n);
    const auto out = bytes_.subspan(position_, static_cast<std::size_t>(n));
    position_ += static_cast<std::size_t>(n);
    return out;
  }
  std::string_view chars(std::uint64_t n) { return as_chars(bytes(n)); }
  void skip(std::uint64_t n) { bytes(n); }

  // The text up to the next '\n', which is consumed and not returned; at most `limit` characters.
  std::string_view line(std::size_t limit) {
    const std::string_view rest = as_chars(bytes_.subspan(position_));
    const std::size_t end = rest.substr(0, std::max(limit, limit + 1)).find('\n');
    if (end == std::string_view::npos) {
      if (rest.size() <= limit) truncated("a line that ends");
      throw Error(ErrorCode::kLimit, where_, cat("a text line is longer than ", limit, " characters"))
          .at_offset(offset());
    }
    position_ += end + 1;
    return rest.substr(0, end);
  }

  void seek(std::size_t position) {
    if (position > bytes_.size()) truncated(cat("position ", position));
    position_ = position;
  }

 private:
  void need(std::uint64_t n) const {
    if (n > remaining()) [[unlikely]]
      fewer_than(n);
  }
  // Apart, so that need() is small enough to stand in every caller.
  [[noreturn, gnu::noinline]] void fewer_than(std::uint64_t n) const { truncated(cat(n, " more bytes")); }
  [[noreturn]] void truncated(std::string_view expected) const {
    throw Error(ErrorCode::kTruncated, where_,
                cat("expected ", expected, ", but ", remaining(), " bytes are left"))
        .at_offset(offset());
  }

  template <class T>
  T number(std::endian order) {
    need(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return in_order(value, order);
  }

  std::span<const std::byte> bytes_;
  std::string where_;
  std::uint64_t base_offset_;
  std::size_t position_ = 0;
};

}  // namespace sconce
