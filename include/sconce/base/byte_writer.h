// Appends numbers and bytes to a growing buffer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
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
  void u8(std::uint8_t value) { buffer_.push_back(std::byte{value}); }
  void bytes(std::span<const std::byte> data) { append(data.data(), data.size()); }
  void chars(std::string_view text) { bytes(as_byte_span(text)); }
  void fill(std::size_t n, std::uint8_t value) { buffer_.insert(buffer_.end(), n, std::byte{value}); }

  std::size_t size() const { return buffer_.size(); }
  std::span<const std::byte> view() const { return buffer_; }
  std::vector<std::byte> take() { return std::move(buffer_); }
  void clear() { buffer_.clear(); }
  void reserve(std::size_t n) { buffer_.reserve(n); }

 private:
  template <class T>
  void number(T value) {
    std::array<std::byte, sizeof(T)> raw;
    std::memcpy(raw.data(), &value, sizeof(T));
    append_all(raw);
  }
  template <std::size_t N>
  [[gnu::noinline]] void append_all(const std::array<std::byte, N> raw) {
    for (const std::byte byte : raw) buffer_.push_back(byte);
  }
  void append(const void* data, std::size_t n);

  std::vector<std::byte> buffer_;
};

}  // namespace sconce
