#include "sconce/toolbox/rename.h"

#include <re2/re2.h>

#include <charconv>
#include <vector>

#include "sconce/base/error.h"
#include "sconce/base/interrupt.h"

namespace sconce::toolbox {

constexpr std::size_t kNoGroup = ~std::size_t{0};

// Literal text, then what a group matched. Named: Rename::Rule, which the header declares, is made of it.
struct ReplacementPiece {
  std::string text;
  std::size_t group = kNoGroup;
};

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Reads the reference that begins at replacement[at] == '\\' or '$' and moves behind it.
ReplacementPiece read_reference(std::string_view replacement, std::size_t& at) {
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
  const std::size_t close = replacement.find('}', at);
  if (sign == '$' && c == '{' && close != std::string_view::npos) {
    const char* const last = replacement.data() + close;
    std::size_t group = 0;
    const auto [end, error] = std::from_chars(replacement.data() + at + 1, last, group);
    if (error == std::errc{} && end == last) {
      at = close + 1;
      return {"", group};
    }
  }
  if (sign == '\\' && c == '=') {  // as in the expression
    ++at;
    return {"="};
  }
  return {std::string(1, sign)};
}

std::vector<ReplacementPiece> read_replacement(std::string_view replacement, std::size_t groups) {
  std::vector<ReplacementPiece> pieces;
  for (std::size_t at = 0; at < replacement.size();) {
    if (replacement[at] != '\\' && replacement[at] != '$') {
      pieces.push_back({std::string(1, replacement[at++])});
      continue;
    }
    pieces.push_back(read_reference(replacement, at));
    const std::size_t group = pieces.back().group;
    require(group == kNoGroup || group < groups, ErrorCode::kInvalidArgument, "regex", "the replacement '",
            escaped(replacement), "' names group ", group, ", the expression has ", groups - 1);
  }
  return pieces;
}

ErrorCode code_of(const RE2& regex) {
  const std::string& what = regex.error_arg();
  switch (regex.error_code()) {
    case RE2::ErrorPatternTooLarge:
      return ErrorCode::kLimit;
    case RE2::ErrorBadPerlOp:
      return ErrorCode::kUnsupported;  // lookaround
    case RE2::ErrorBadEscape:          // a backreference
      return what.size() == 2 && is_digit(what[1]) ? ErrorCode::kUnsupported : ErrorCode::kInvalidArgument;
    default:
      return ErrorCode::kInvalidArgument;
  }
}

RE2::Options quiet() {
  RE2::Options options;
  options.set_log_errors(false);
  return options;
}

}  // namespace

struct Rename::Rule {
  explicit Rule(std::string_view pattern)
      : regex(re2::StringPiece(pattern.data(), pattern.size()), quiet()) {}

  RE2 regex;
  std::vector<ReplacementPiece> replacement;
};

Rename::Rename(std::string_view regex, std::string_view replacement) {
  const auto rule = std::make_shared<Rule>(regex);
  if (!rule->regex.ok())
    fail(code_of(rule->regex), "regex", "'", escaped(regex), "': ", escaped(rule->regex.error()));
  rule->replacement =
      read_replacement(replacement, static_cast<std::size_t>(rule->regex.NumberOfCapturingGroups()) + 1);
  rule_ = rule;
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
      continue;  // lookahead, which is refused by name
    } else if (text[at] == '=') {
      return Rename(text.substr(0, at), text.substr(at + 1));
    }
  }
  fail(ErrorCode::kInvalidArgument, "regex", "expected REGEX=REPLACEMENT, found '", escaped(text), "'");
}

std::string Rename::operator()(std::string_view name) const {
  const re2::StringPiece text(name.data(), name.size());
  std::vector<re2::StringPiece> groups(static_cast<std::size_t>(rule_->regex.NumberOfCapturingGroups()) + 1);
  std::string out;
  std::size_t copied = 0;
  std::size_t at = 0;
  while (at <= name.size()) {
    throw_if_stop_requested();
    if (!rule_->regex.Match(text, at, name.size(), RE2::UNANCHORED, groups.data(),
                            static_cast<int>(groups.size())))
      break;
    const auto begin = static_cast<std::size_t>(groups[0].data() - name.data());
    const std::size_t end = begin + groups[0].size();
    out += name.substr(copied, begin - copied);
    for (const ReplacementPiece& piece : rule_->replacement) {
      out += piece.text;
      if (piece.group != kNoGroup) out.append(groups[piece.group].data(), groups[piece.group].size());
    }
    copied = end;
    at = end;
    if (end == begin) {  // an empty match moves on by one character
      ++at;
      while (at < name.size() && (static_cast<unsigned char>(name[at]) & 0xC0) == 0x80) ++at;
    }
  }
  return out += name.substr(copied);
}

}  // namespace sconce::toolbox
