// Appends numbers and bytes to a growing buffer.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "sconce/base/byte_reader.h"

namespace sconce {

class ByteWriter {
 public:
  template <class T>
  void little(T value) {
    number(in_order(value, std::endian::little));
  }
  template <class T>
  void big(T value) {
    number(in_order(value, std::endian::big));
  }
  void u8(std::uint8_t value) { number(value); }
  void bytes(std::span<const std::byte> data) { buffer_.insert(buffer_.end(), data.begin(), data.end()); }
  void chars(std::string_view text) { bytes(as_byte_span(text)); }
  void fill(std::size_t n, std::uint8_t value) { buffer_.insert(buffer_.end(), n, std::byte{value}); }

  std::size_t size() const { return buffer_.size(); }
  std::span<const std::byte> view() const { return buffer_; }
  std::vector<std::byte> take() { return std::move(buffer_); }
  void clear() { buffer_.clear(); }

 private:
  template <class T>
  void number(T value) {
    const std::size_t at = buffer_.size();
    buffer_.resize(at + sizeof(T));
    std::memcpy(buffer_.data() + at, &value, sizeof(T));
  }

  std::vector<std::byte> buffer_;
};

}  // namespace sconce
