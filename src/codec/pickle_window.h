// Reads a pickle from its source in windows, so that going through it takes no memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "sconce/base/byte_reader.h"
#include "sconce/base/byte_source.h"

namespace sconce::pickle::detail {

// What a Machine reads from. Views are good until the next call. Error kTruncated, with offsets that begin at
// `base_offset`, where the pickle does.
class WindowInput {
 public:
  // Text that is too long for a window is passed over: `bytes` is then empty.
  struct Text {
    std::string_view bytes;
    bool is_seen = true;
  };

  WindowInput(const ByteSource& source, std::uint64_t begin, std::uint64_t end, std::uint64_t base_offset)
      : source_(source), begin_(begin), end_(end), read_(begin), base_offset_(base_offset), in_({}, kWhere) {
    fill(1);
  }

  std::uint64_t position() const { return read_ - in_.remaining() - begin_; }
  std::uint64_t offset() const { return base_offset_ + position(); }
  std::uint64_t remaining() const { return end_ - read_ + in_.remaining(); }

  std::uint8_t u8() {
    need(1);
    return in_.u8();
  }
  template <class T>
  T little() {
    need(sizeof(T));
    return in_.little<T>();
  }
  template <class T>
  T big() {
    need(sizeof(T));
    return in_.big<T>();
  }
  std::span<const std::byte> bytes(std::uint64_t n) {
    need(n);
    return in_.bytes(n);
  }
  Text text(std::uint64_t n) {
    if (n <= kSeen) return {as_chars(bytes(n)), true};
    if (n > remaining()) truncated(cat(n, " more bytes"));
    pass(n);
    return {{}, false};
  }
  std::string_view line(std::size_t limit) {
    prepare(std::max(limit, limit + 1));
    return in_.line(limit);
  }
  std::pair<std::string_view, std::string_view> two_lines(std::size_t limit) {
    prepare(limit < SIZE_MAX / 2 - 1 ? 2 * (limit + 1) : limit);
    const std::string_view first = in_.line(limit);
    return {first, in_.line(limit)};
  }
  Text text_line() {
    prepare(kSeen);
    if (has_newline()) return {in_.line(in_.remaining()), true};
    const std::uint64_t left = remaining();
    const std::uint64_t at = offset();
    while (!has_newline()) {
      pass(in_.remaining());
      if (remaining() == 0) fail_at(at, "a line that ends", left);
      fill(1);
    }
    in_.line(in_.remaining());
    return {{}, false};
  }

 private:
  static constexpr std::string_view kWhere = "pickle";
  static constexpr std::size_t kWindow = std::size_t{1} << 18;
  static constexpr std::size_t kSeen = std::size_t{1} << 16;  // of text

  [[noreturn]] static void fail_at(std::uint64_t offset, std::string_view expected, std::uint64_t left) {
    throw Error(ErrorCode::kTruncated, kWhere, cat("expected ", expected, ", but ", left, " bytes are left"))
        .at_offset(offset);
  }
  [[noreturn]] void truncated(std::string_view expected) const { fail_at(offset(), expected, remaining()); }

  std::string_view rest() const {
    return as_chars(std::span(window_).subspan(in_.position(), in_.remaining()));
  }
  bool has_newline() const { return rest().find('\n') != std::string_view::npos; }

  // n bytes in the window.
  void need(std::uint64_t n) {
    if (n <= in_.remaining()) [[likely]]
      return;
    if (n > remaining()) truncated(cat(n, " more bytes"));
    fill(static_cast<std::size_t>(n));
  }
  // The same, or all that is left where that is less.
  void prepare(std::size_t n) {
    if (n <= in_.remaining()) return;
    fill(static_cast<std::size_t>(std::min<std::uint64_t>(n, remaining())));
  }
  void fill(std::size_t n) {
    const std::size_t kept = in_.remaining();
    const std::uint64_t at = offset();
    const auto size =
        static_cast<std::size_t>(std::min<std::uint64_t>(std::max(n, kWindow), end_ - read_ + kept));
    if (kept != 0) std::memmove(window_.data(), window_.data() + in_.position(), kept);
    window_.resize(size);
    source_.read_at(std::span(window_).subspan(kept), read_);
    read_ += size - kept;
    in_ = ByteReader(window_, kWhere, at);
  }
  // n <= remaining().
  void pass(std::uint64_t n) {
    const std::uint64_t here = std::min<std::uint64_t>(n, in_.remaining());
    in_.skip(here);
    if (n == here) return;
    read_ += n - here;
    in_ = ByteReader({}, kWhere, offset());
  }

  const ByteSource& source_;
  std::uint64_t begin_;
  std::uint64_t end_;
  std::uint64_t read_;  // up to here the source was read
  std::uint64_t base_offset_;
  std::vector<std::byte> window_;
  ByteReader in_;  // of the window
};

}  // namespace sconce::pickle::detail
