#include "toolbox/regex.h"

#include <algorithm>

#include "sconce/base/error.h"

namespace sconce::toolbox {
namespace {

constexpr std::size_t kMostSteps = 10'000;
constexpr std::size_t kMostNesting = 100;
constexpr char32_t kLastCodePoint = 0x10FFFF;

bool is_word(char32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

using Ranges = std::vector<std::pair<char32_t, char32_t>>;

const Ranges kDigits = {{'0', '9'}};
const Ranges kWordRanges = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const Ranges kSpaces = {{'\t', '\r'}, {' ', ' '}};

// Everything that sorted `ranges` leave out.
Ranges complement(const Ranges& ranges) {
  Ranges out;
  char32_t next = 0;
  for (const auto& [low, high] : ranges) {
    if (low > next) out.emplace_back(next, low - 1);
    next = high + 1;
  }
  out.emplace_back(next, kLastCodePoint);
  return out;
}

// The class behind \d, \W, ...; empty for another letter.
Ranges class_of(char32_t letter) {
  switch (letter) {
    case 'd':
      return kDigits;
    case 'D':
      return complement(kDigits);
    case 'w':
      return kWordRanges;
    case 'W':
      return complement(kWordRanges);
    case 's':
      return kSpaces;
    case 'S':
      return complement(kSpaces);
    default:
      return {};
  }
}

}  // namespace

std::vector<char32_t> code_points(std::string_view text) {
  std::vector<char32_t> out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (length == 1 || !is_utf8(text.substr(i, length))) {
      out.push_back(first < 0x80 ? first : 0xDC00U + first);
      ++i;
      continue;
    }
    char32_t c = first & (0xFFU >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) c = (c << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3FU);
    out.push_back(c);
    i += length;
  }
  return out;
}

// Recursive descent; each piece of the pattern becomes a piece of program.
class RegexParser {
 public:
  RegexParser(Regex& regex, std::string_view pattern)
      : regex_(regex), text_(code_points(pattern)), pattern_(pattern) {}

  void parse() {
    Code code = alternatives(0);
    if (at_ < text_.size()) refuse("a ')' closes nothing");
    Code whole = save(0);
    append(whole, code);
    append(whole, save(1));
    whole.push_back({Regex::Op::kMatch});
    regex_.steps_ = std::move(whole);
  }

 private:
  using Code = std::vector<Regex::Step>;
  using Op = Regex::Op;

  [[noreturn]] void refuse(std::string_view why, ErrorCode code = ErrorCode::kInvalidArgument) const {
    fail(code, "regex", "in '", escaped(pattern_), "', at character ", at_ + 1, ": ", why);
  }

  bool at_end() const { return at_ == text_.size(); }
  bool next_is(char32_t c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char32_t c) {
    if (!next_is(c)) return false;
    ++at_;
    return true;
  }

  void append(Code& code, const Code& more) const {
    if (code.size() + more.size() > kMostSteps) refuse("the expression is too large", ErrorCode::kLimit);
    code.insert(code.end(), more.begin(), more.end());
  }

  static Code save(std::size_t index) { return {{Op::kSave, 0, 0, 0, index}}; }

  Code alternatives(std::size_t depth) {
    if (depth > kMostNesting) refuse("the groups are nested too deeply", ErrorCode::kLimit);
    Code left = sequence(depth);
    while (take('|')) {
      const Code right = sequence(depth);
      Code both = {{Op::kSplit, 0, 1, static_cast<std::int32_t>(left.size()) + 2}};
      append(both, left);
      both.push_back({Op::kJump, 0, static_cast<std::int32_t>(right.size()) + 1});
      append(both, right);
      left = std::move(both);
    }
    return left;
  }

  Code sequence(std::size_t depth) {
    Code code;
    while (!at_end() && !next_is('|') && !next_is(')')) append(code, quantified(depth));
    return code;
  }

  Code quantified(std::size_t depth) {
    Code piece = atom(depth);
    std::size_t least = 1;
    std::optional<std::size_t> most = 1;
    if (take('*')) {
      least = 0;
      most.reset();
    } else if (take('+')) {
      most.reset();
    } else if (take('?')) {
      least = 0;
    } else if (!counts(least, most)) {
      return piece;
    }
    const bool is_lazy = take('?');
    if (next_is('*') || next_is('+') || next_is('?')) refuse("a quantifier follows a quantifier");
    Code code;
    for (std::size_t i = 0; i < least; ++i) append(code, piece);
    const auto size = static_cast<std::int32_t>(piece.size());
    if (!most) {
      // L: split(piece, out) piece jump L
      code.push_back(split(1, size + 2, is_lazy));
      append(code, piece);
      code.push_back({Op::kJump, 0, -size - 1});
    } else {
      // Each further one is within the one before: all leave to the same place.
      const std::size_t further = *most - least;
      for (std::size_t i = 0; i < further; ++i) {
        if (further * (piece.size() + 1) > kMostSteps)
          refuse("the expression is too large", ErrorCode::kLimit);
        code.push_back(split(1, static_cast<std::int32_t>((further - i) * (piece.size() + 1)), is_lazy));
        append(code, piece);
      }
    }
    return code;
  }

  static Regex::Step split(std::int32_t inside, std::int32_t out, bool is_lazy) {
    return is_lazy ? Regex::Step{Op::kSplit, 0, out, inside} : Regex::Step{Op::kSplit, 0, inside, out};
  }

  // {n}, {n,}, {n,m}; anything else that begins with a brace is a brace.
  bool counts(std::size_t& least, std::optional<std::size_t>& most) {
    const std::size_t start = at_;
    if (!take('{')) return false;
    const auto first = number();
    if (first) {
      least = *first;
      most = first;
      bool closed = take('}');
      if (!closed && take(',')) {
        most = number();
        closed = take('}');
      }
      if (closed) {
        if (most && *most < least) refuse("the numbers of a quantifier are in the wrong order");
        return true;
      }
    }
    at_ = start;
    return false;
  }

  std::optional<std::size_t> number() {
    if (at_end() || text_[at_] < '0' || text_[at_] > '9') return std::nullopt;
    std::size_t out = 0;
    while (!at_end() && text_[at_] >= '0' && text_[at_] <= '9') {
      out = out * 10 + (text_[at_++] - '0');
      if (out > kMostSteps) refuse("the expression is too large", ErrorCode::kLimit);
    }
    return out;
  }

  Code atom(std::size_t depth) {
    const char32_t c = text_[at_++];
    switch (c) {
      case '.':
        return {{Op::kAny}};
      case '^':
        return {{Op::kBegin}};
      case '$':
        return {{Op::kEnd}};
      case '[':
        return {set_step(bracket())};
      case '(':
        return group(depth);
      case '\\':
        return escape();
      case '*':
      case '+':
      case '?':
        --at_;
        refuse("a quantifier without anything to repeat");
      default:
        return {{Op::kChar, c}};
    }
  }

  Code group(std::size_t depth) {
    std::size_t index = 0;
    if (take('?')) {
      if (take('P') && !next_is('<')) refuse("unknown kind of group", ErrorCode::kUnsupported);
      if (take('<')) {
        if (next_is('=') || next_is('!')) refuse("lookbehind is not supported", ErrorCode::kUnsupported);
        while (!at_end() && !next_is('>')) ++at_;
        if (!take('>')) refuse("the name of a group is not closed");
        index = new_group();
      } else if (next_is('=') || next_is('!')) {
        refuse("lookahead is not supported", ErrorCode::kUnsupported);
      } else if (!take(':')) {
        refuse("unknown kind of group", ErrorCode::kUnsupported);
      }
    } else {
      index = new_group();
    }
    const Code inside = alternatives(depth + 1);
    if (!take(')')) refuse("a '(' is not closed");
    if (index == 0) return inside;
    Code code = save(2 * index);
    append(code, inside);
    append(code, save(2 * index + 1));
    return code;
  }

  std::size_t new_group() {
    if (regex_.groups_ == Regex::kGroups) refuse("more than 9 groups", ErrorCode::kUnsupported);
    return regex_.groups_++;
  }

  Regex::Step set_step(Regex::Set set) {
    regex_.sets_.push_back(std::move(set));
    return {Op::kSet, 0, 0, 0, regex_.sets_.size() - 1};
  }

  Code escape() {
    if (at_end()) refuse("the expression ends with a backslash");
    const char32_t c = text_[at_];
    if (c == 'b' || c == 'B') {
      ++at_;
      return {{c == 'b' ? Op::kWord : Op::kNotWord}};
    }
    if (c >= '1' && c <= '9') refuse("backreferences are not supported", ErrorCode::kUnsupported);
    if (Ranges ranges = class_of(c); !ranges.empty()) {
      ++at_;
      return {set_step({false, std::move(ranges)})};
    }
    return {{Op::kChar, escaped_character()}};
  }

  // Behind the backslash.
  char32_t escaped_character() {
    const char32_t c = text_[at_++];
    switch (c) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      default:
        break;
    }
    if (is_word(c) && c != '_') {
      --at_;
      refuse("unknown escape");
    }
    return c;
  }

  Regex::Set bracket() {
    Regex::Set set;
    set.is_negated = take('^');
    bool is_first = true;
    while (true) {
      if (at_end()) refuse("a '[' is not closed");
      if (take(']')) {
        if (!is_first) return set;
        set.ranges.emplace_back(']', ']');  // a bracket right at the beginning is a character
        is_first = false;
        continue;
      }
      is_first = false;
      if (next_is('\\') && at_ + 1 < text_.size()) {
        if (const Ranges ranges = class_of(text_[at_ + 1]); !ranges.empty()) {
          at_ += 2;
          set.ranges.insert(set.ranges.end(), ranges.begin(), ranges.end());
          continue;
        }
      }
      const char32_t low = set_character();
      char32_t high = low;
      if (next_is('-') && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        high = set_character();
        if (high < low) refuse("a range is in the wrong order");
      }
      set.ranges.emplace_back(low, high);
    }
  }

  char32_t set_character() {
    const char32_t c = text_[at_++];
    if (c != '\\') return c;
    if (at_end()) refuse("a '[' is not closed");
    return escaped_character();
  }

  Regex& regex_;
  std::vector<char32_t> text_;
  std::string_view pattern_;
  std::size_t at_ = 0;
};

Regex::Regex(std::string_view pattern) { RegexParser(*this, pattern).parse(); }

bool Regex::Set::holds(char32_t c) const {
  const bool found = std::any_of(ranges.begin(), ranges.end(),
                                 [c](const auto& range) { return range.first <= c && c <= range.second; });
  return found != is_negated;
}

bool Regex::takes(const Step& step, char32_t c) const {
  if (step.op == Op::kChar) return step.c == c;
  if (step.op == Op::kSet) return sets_[step.index].holds(c);
  return step.op == Op::kAny;
}

// The states reached at one place of the text, best first, each once.
class Regex::Threads {
 public:
  explicit Threads(const Regex& regex) : regex_(&regex), seen_(regex.steps_.size(), kNone) {}

  void clear() { list_.clear(); }
  const std::vector<Thread>& list() const { return list_; }

  // Follows everything that takes no character. The stack keeps the order of preference.
  void add(Thread start, std::span<const char32_t> text, std::size_t at) {
    open_.push_back(std::move(start));
    while (!open_.empty()) {
      Thread thread = std::move(open_.back());
      open_.pop_back();
      if (seen_[thread.step] == at) continue;
      seen_[thread.step] = at;
      const Step& step = regex_->steps_[thread.step];
      const bool before = at > 0 && is_word(text[at - 1]);
      const bool after = at < text.size() && is_word(text[at]);
      switch (step.op) {
        case Op::kJump:
          follow(thread, step.first);
          break;
        case Op::kSplit:
          follow(thread, step.second);
          follow(thread, step.first);
          break;
        case Op::kSave:
          thread.match[step.index] = at;
          follow(thread, 1);
          break;
        case Op::kBegin:
          if (at == 0) follow(thread, 1);
          break;
        case Op::kEnd:
          if (at == text.size()) follow(thread, 1);
          break;
        case Op::kWord:
          if (before != after) follow(thread, 1);
          break;
        case Op::kNotWord:
          if (before == after) follow(thread, 1);
          break;
        default:
          list_.push_back(std::move(thread));
      }
    }
  }

 private:
  void follow(const Thread& thread, std::int32_t distance) {
    open_.push_back(
        {static_cast<std::size_t>(static_cast<std::ptrdiff_t>(thread.step) + distance), thread.match});
  }

  const Regex* regex_;
  std::vector<std::size_t> seen_;  // the place where a step was reached last
  std::vector<Thread> list_;
  std::vector<Thread> open_;
};

std::optional<Regex::Match> Regex::search(std::span<const char32_t> text, std::size_t start) const {
  Match nothing;
  nothing.fill(kNone);
  std::optional<Match> found;
  Threads now(*this);
  Threads next(*this);
  for (std::size_t at = start; at <= text.size(); ++at) {
    // A match that begins further left is better than one that begins here.
    if (!found) now.add({0, nothing}, text, at);
    if (now.list().empty()) {
      if (found) break;
      now.clear();
      continue;
    }
    next.clear();
    for (const Thread& thread : now.list()) {
      const Step& step = steps_[thread.step];
      if (step.op == Op::kMatch) {
        found = thread.match;
        break;  // what follows is worse
      }
      if (at < text.size() && takes(step, text[at])) next.add({thread.step + 1, thread.match}, text, at + 1);
    }
    std::swap(now, next);
  }
  return found;
}

}  // namespace sconce::toolbox
