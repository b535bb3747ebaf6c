// Regular expressions whose time grows with the text, whatever the pattern: the states of all alternatives
// are advanced together (Pike's simulation), nothing is tried again. Backreferences and lookaround need the
// other kind of engine and are refused.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace sconce::toolbox {

// Text as code points; a byte that is not UTF-8 becomes 0xDC00 + byte, so that it can be written back.
std::vector<char32_t> code_points(std::string_view text);

class Regex {
 public:
  static constexpr std::size_t kGroups = 10;  // of a pattern, the whole match among them
  static constexpr std::size_t kNone = ~std::size_t{0};
  // Begin and end of group i at 2i and 2i+1; kNone for a group that took no part.
  using Match = std::array<std::size_t, 2 * kGroups>;

  // . [a-z] [^a-z] \d \D \w \W \s \S ^ $ \b \B ( ) (?: ) (?<name> ) | * + ? {n} {n,} {n,m}, and the lazy
  // quantifiers *? +? ?? {}?. Errors: kInvalidArgument (not a regular expression), kUnsupported
  // (backreference, lookaround, more than 9 groups), kLimit (a program of more than 10,000 steps).
  explicit Regex(std::string_view pattern);

  std::size_t groups() const { return groups_; }
  // The first match at or after `start`, as Perl and ECMAScript choose among those there.
  std::optional<Match> search(std::span<const char32_t> text, std::size_t start = 0) const;

 private:
  friend class RegexParser;
  enum class Op : std::uint8_t {
    kChar,
    kAny,
    kSet,
    kSplit,
    kJump,
    kSave,
    kBegin,
    kEnd,
    kWord,
    kNotWord,
    kMatch
  };
  struct Set {
    bool is_negated = false;
    std::vector<std::pair<char32_t, char32_t>> ranges;
    bool holds(char32_t c) const;
  };
  // Targets are relative, so that pieces of program can be joined and repeated. A split prefers `first`.
  struct Step {
    Op op;
    char32_t c = 0;
    std::int32_t first = 0;
    std::int32_t second = 0;
    std::size_t index = 0;  // of the set, or of the place in a Match
  };
  struct Thread {
    std::size_t step;
    Match match;
  };
  class Threads;

  bool takes(const Step& step, char32_t c) const;

  std::vector<Step> steps_;
  std::vector<Set> sets_;
  std::size_t groups_ = 1;
};

}  // namespace sconce::toolbox
