#include "sconce/base/glob.h"

#include <cstddef>

namespace sconce {
namespace {

// Does the set at pattern[i] == '[' hold `c`? Moves i behind the set; an unclosed '[' is an ordinary
// character.
bool set_holds(std::string_view pattern, std::size_t& i, char c) {
  std::size_t j = i + 1;
  const bool is_negated = j < pattern.size() && (pattern[j] == '!' || pattern[j] == '^');
  if (is_negated) ++j;
  const std::size_t close = pattern.find(']', j + 1);
  if (close == std::string_view::npos) {
    ++i;
    return c == '[';
  }
  bool holds = false;
  for (; j < close; ++j) {
    if (j + 2 < close && pattern[j + 1] == '-') {
      holds = holds || (pattern[j] <= c && c <= pattern[j + 2]);
      j += 2;
    } else {
      holds = holds || pattern[j] == c;
    }
  }
  i = close + 1;
  return holds != is_negated;
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  // Linear: after a mismatch only the last '*' takes one more character.
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
      continue;
    }
    std::size_t next = p;
    bool matches = false;
    if (p < pattern.size()) {
      if (pattern[p] == '[') {
        matches = set_holds(pattern, next, text[t]);
      } else {
        matches = pattern[p] == '?' || pattern[p] == text[t];
        ++next;
      }
    }
    if (matches) {
      p = next;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace sconce
