// Reading the text files of tests/golden.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/core/shape.h"

namespace sconce::test {

// The lines of tests/golden/<name>.
inline std::vector<std::string> golden_lines(const std::string& name) {
  std::ifstream in(SCONCE_SOURCE_DIR "/tests/golden/" + name);
  if (!in) throw std::runtime_error("cannot open golden file " + name);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The words of a line.
inline std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// Bytes written as hexadecimal digits; "-" stands for none.
inline std::vector<std::byte> bytes_from_hex(std::string_view hex) {
  std::vector<std::byte> bytes;
  if (hex == "-") return bytes;
  const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return bytes;
}

// Sizes written as "2x3", "scalar" for none.
inline Shape shape_from_text(const std::string& text) {
  Shape shape;
  if (text == "scalar") return shape;
  std::istringstream in(text);
  for (std::string size; std::getline(in, size, 'x');) shape.push_back(std::stoll(size));
  return shape;
}

}  // namespace sconce::test
