// The state_dict of a TorchScript module: formats.md E. Its code is never interpreted: two lines of each
// class name the parameters and buffers, and only those are read, by a strict grammar.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sconce/checkpoint/recover.h"

namespace sconce::checkpoint {

struct ScriptClass {
  bool is_module = false;
  bool is_readable = true;                             // false: not as PyTorch writes it
  std::optional<std::vector<std::string>> parameters;  // nullopt: there is no list
  std::optional<std::vector<std::string>> buffers;  // nullopt: archives of about 1.4 and before have no list
};

// The classes that a source file declares, by name.
std::map<std::string, ScriptClass, std::less<>> script_classes(std::string_view code);

// The source file of a class of the module `qualifier`, as a record below the archive's top folder:
// __torch__.a.b lies in code/__torch__/a/b.py.
std::string script_source(std::string_view qualifier);

// The class of that qualifier and name; null when its source cannot be read.
using FindScriptClass =
    std::function<const ScriptClass*(const std::string& qualifier, const std::string& name)>;

// What the state_dict of the loaded module `root` holds. Notes tell where its classes were not found and
// every tensor attribute counts, and which classes keep their state in their own way. Errors: kCorrupt for a
// module within itself or a root that is no module; kLimit.
ModuleState script_state(const Value& root, const FindScriptClass& find, const NamedLimits& limits);

}  // namespace sconce::checkpoint
