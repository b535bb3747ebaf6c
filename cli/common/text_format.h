// Tables and quantities for people.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sconce/base/text.h"

// {} of an escaped name.
template <>
struct fmt::formatter<sconce::Escaped> : fmt::formatter<std::string> {
  template <class Context>
  auto format(const sconce::Escaped& name, Context& context) const {
    return fmt::formatter<std::string>::format(std::string(name), context);
  }
};

namespace sconce::cli {

// "1.8 KiB", "937 B".
std::string human_bytes(std::uint64_t bytes);
// "62,006".
std::string with_commas(std::uint64_t number);
// "0.00123457": six digits.
std::string short_number(double value);
// "1:05", "2:03:07".
std::string human_seconds(double seconds);
// Columns of the terminal that `text` takes: UTF-8 sequences count as one.
std::size_t display_width(const std::string& text);

// Rows of cells in columns as wide as they need; the columns of `right_aligned` keep their right edge.
class TextTable {
 public:
  TextTable(std::vector<std::string> header, std::vector<bool> right_aligned);
  void add_row(std::vector<std::string> cells);
  std::string str() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<bool> right_aligned_;
};

}  // namespace sconce::cli
