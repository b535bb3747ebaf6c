// Names that moved between Python 2 and 3. Pickles of protocol 2 and below use Python 2's.
#pragma once

#include <string_view>

namespace sconce::pickle {

struct QualifiedName {
  std::string_view module;
  std::string_view name;
};

// What Python 3 (and torch) calls `written`; `written` itself when it did not move.
QualifiedName modern_name(QualifiedName written);

// What Python's pickler writes for `modern` in protocol 2; `modern` itself when it did not move.
QualifiedName protocol2_name(QualifiedName modern);

}  // namespace sconce::pickle
