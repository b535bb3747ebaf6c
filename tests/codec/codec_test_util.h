// Helpers shared by the codec tests.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/base/byte_reader.h"
#include "sconce/base/error.h"
#include "sconce/base/file.h"

namespace sconce::testing {

inline std::vector<std::byte> to_bytes(std::string_view text) {
  const auto view = as_byte_span(text);
  return {view.begin(), view.end()};
}

inline std::vector<std::byte> from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<std::byte> out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<std::byte>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return out;
}

inline std::string to_hex(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const std::byte b : bytes) {
    out += kDigits[static_cast<unsigned>(b) >> 4];
    out += kDigits[static_cast<unsigned>(b) & 15];
  }
  return out;
}

inline std::string golden_path(std::string_view name) {
  return cat(SCONCE_SOURCE_DIR, "/tests/golden/", name);
}
inline std::vector<std::byte> golden(std::string_view name) { return read_file(golden_path(name)); }

// The code of the Error that `action` throws, or nothing.
template <class Action>
std::optional<ErrorCode> error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

// Calls `check` with every prefix of `bytes` and with every copy that has one bit flipped.
template <class Check>
void for_each_damage(const std::vector<std::byte>& bytes, Check check) {
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    check(std::vector<std::byte>(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)));
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::vector<std::byte> copy = bytes;
      copy[i] ^= static_cast<std::byte>(1u << bit);
      check(std::move(copy));
    }
  }
}

}  // namespace sconce::testing
