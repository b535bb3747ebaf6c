// Renaming by regular expression.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace sconce::toolbox {

// Replaces every match of a regular expression, in RE2's syntax, in a name. Time grows with the name,
// whatever the expression: there are no backreferences and no lookaround.
class Rename {
 public:
  // In `replacement` \1, $1 and ${1} are what a group matched (nothing, if it took no part), ${12} that of a
  // group beyond the ninth, \0 and $& the whole match, \\ and $$ the characters themselves. Errors:
  // kInvalidArgument (the expression is wrong, or has no such group), kUnsupported (lookaround,
  // backreferences), kLimit.
  Rename(std::string_view regex, std::string_view replacement);
  // "REGEX=REPLACEMENT", split at the first '=' that is not escaped and not within [...].
  static Rename parse(std::string_view text);

  std::string operator()(std::string_view name) const;

 private:
  struct Rule;
  std::shared_ptr<const Rule> rule_;
};

}  // namespace sconce::toolbox
