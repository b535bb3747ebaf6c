// Builds tar archives by hand, right ones and wrong ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sconce/base/text.h"

namespace sconce::tar {

inline void put(std::string& block, std::size_t at, std::string_view text) {
  block.replace(at, text.size(), text);
}

inline std::string octal(std::uint64_t value, int digits) {
  std::string out;
  for (int i = 0; i < digits; ++i, value /= 8) out.insert(out.begin(), static_cast<char>('0' + value % 8));
  return out;
}

// A header with a correct checksum.
inline std::string header(std::string_view name, std::string_view size, char type,
                          std::string_view prefix = "") {
  std::string block(512, '\0');
  put(block, 0, name);
  put(block, 124, size);
  put(block, 148, "        ");
  block[156] = type;
  put(block, 257, std::string_view("ustar\00000", 8));
  put(block, 345, prefix);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(block, 148, octal(sum, 6));
  block[154] = '\0';
  return block;
}

inline std::string member(std::string_view name, std::string_view data, char type = '0',
                          std::string_view prefix = "") {
  std::string out = header(name, octal(data.size(), 11), type, prefix);
  out += data;
  out.resize((out.size() + 511) / 512 * 512);
  return out;
}

inline const std::string kEnd(1024, '\0');

}  // namespace sconce::tar
