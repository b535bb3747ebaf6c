#include "sconce/toolbox/rename.h"

#include <vector>

#include "sconce/base/error.h"
#include "sconce/base/interrupt.h"
#include "toolbox/regex.h"

namespace sconce::toolbox {
namespace {

// Literal text, then what a group matched.
struct Piece {
  std::string text;
  std::size_t group = Regex::kNone;
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads the reference that begins at replacement[at] == '\\' or '$' and moves behind it.
Piece read_reference(std::string_view replacement, std::size_t& at) {
  const char sign = replacement[at++];
  if (at == replacement.size()) return {std::string(1, sign)};
  const char c = replacement[at];
  if (c == sign) {
    ++at;
    return {std::string(1, sign)};
  }
  if (is_digit(c)) {
    ++at;
    return {"", static_cast<std::size_t>(c - '0')};
  }
  if (sign == '$' && c == '&') {
    ++at;
    return {"", 0};
  }
  const std::string_view rest = replacement.substr(at);
  if (sign == '$' && rest.size() >= 3 && c == '{' && is_digit(rest[1]) && rest[2] == '}') {
    at += 3;
    return {"", static_cast<std::size_t>(rest[1] - '0')};
  }
  if (sign == '\\' && c == '=') {  // as in the expression
    ++at;
    return {"="};
  }
  return {std::string(1, sign)};
}

std::vector<Piece> read_replacement(std::string_view replacement, std::size_t groups) {
  std::vector<Piece> pieces;
  for (std::size_t at = 0; at < replacement.size();) {
    if (replacement[at] != '\\' && replacement[at] != '$') {
      pieces.push_back({std::string(1, replacement[at++])});
      continue;
    }
    pieces.push_back(read_reference(replacement, at));
    const std::size_t group = pieces.back().group;
    require(group == Regex::kNone || group < groups, ErrorCode::kInvalidArgument, "regex",
            "the replacement '", escaped(replacement), "' names group ", group, ", the expression has ",
            groups - 1);
  }
  return pieces;
}

std::size_t utf8_length(char32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

// Where each code point begins in the text, and the end.
std::vector<std::size_t> byte_places(const std::vector<char32_t>& points) {
  std::vector<std::size_t> places{0};
  for (const char32_t c : points) {
    const bool is_raw = c >= 0xDC80 && c <= 0xDCFF;
    places.push_back(places.back() + (is_raw ? 1 : utf8_length(c)));
  }
  return places;
}

}  // namespace

struct Rename::Rule {
  Regex regex;
  std::vector<Piece> replacement;
};

Rename::Rename(std::string_view regex, std::string_view replacement) {
  Regex compiled(regex);
  auto pieces = read_replacement(replacement, compiled.groups());
  rule_ = std::make_shared<const Rule>(Rule{std::move(compiled), std::move(pieces)});
}

Rename Rename::parse(std::string_view text) {
  bool in_set = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (in_set) {
      in_set = text[at] != ']';
    } else if (text[at] == '[') {
      in_set = true;
    } else if (text[at] == '=' && text.substr(0, at).ends_with("(?")) {
      continue;  // lookahead, which Regex refuses by name
    } else if (text[at] == '=') {
      return Rename(text.substr(0, at), text.substr(at + 1));
    }
  }
  fail(ErrorCode::kInvalidArgument, "regex", "expected REGEX=REPLACEMENT, found '", escaped(text), "'");
}

std::string Rename::operator()(std::string_view name) const {
  const std::vector<char32_t> points = code_points(name);
  const std::vector<std::size_t> places = byte_places(points);
  std::string out;
  std::size_t copied = 0;  // code points
  std::size_t at = 0;
  while (at <= points.size()) {
    throw_if_stop_requested();
    const auto match = rule_->regex.search(points, at);
    if (!match) break;
    const std::size_t begin = (*match)[0];
    const std::size_t end = (*match)[1];
    out += name.substr(places[copied], places[begin] - places[copied]);
    for (const Piece& piece : rule_->replacement) {
      out += piece.text;
      if (piece.group == Regex::kNone || (*match)[2 * piece.group] == Regex::kNone) continue;
      const std::size_t first = places[(*match)[2 * piece.group]];
      out += name.substr(first, places[(*match)[2 * piece.group + 1]] - first);
    }
    copied = end;
    at = end > begin ? end : end + 1;  // an empty match moves on by one character
  }
  return out += name.substr(places[copied]);
}

}  // namespace sconce::toolbox
