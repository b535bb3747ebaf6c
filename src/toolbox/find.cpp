#include "sconce/toolbox/find.h"

#include <algorithm>
#include <optional>

#include "sconce/base/error.h"
#include "sconce/state/state_dict.h"
#include "sconce/toolbox/convert.h"

namespace sconce::toolbox {

using checkpoint::NamedLeaf;

namespace {

std::optional<Value> part_of(const Value& root, const std::string& name) {
  if (name.empty()) return root;
  try {
    return take_part(root, name);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    return std::nullopt;
  }
}

}  // namespace

std::vector<NamedLeaf> find_named(const Value& root, const std::string& name,
                                  const checkpoint::NamedLimits& limits) {
  std::vector<NamedLeaf> found;
  std::optional<NamedLeaf> holder;
  std::vector<std::string> candidates;
  const auto look = [&](std::vector<NamedLeaf> leaves) {
    for (NamedLeaf& leaf : leaves) {
      candidates.push_back(leaf.name);
      if (leaf.name == name) {
        found.push_back(std::move(leaf));
      } else if (name.starts_with(leaf.name + ".")) {
        holder = std::move(leaf);  // a list of plain values is one leaf, also in an object
      }
    }
  };
  look(checkpoint::named_arrays(root, limits));
  if (!found.empty()) return found;  // the other names may be many more
  look(checkpoint::named_scalars(root, limits));
  if (!found.empty()) return found;
  if (auto part = part_of(root, name)) return {{name, {}, *std::move(part)}};
  if (holder) {
    auto part = part_of(holder->value, name.substr(holder->name.size() + 1));
    if (part) return {{name, {}, *std::move(part)}};
  }
  const auto near = nearest_name(name, candidates);
  fail(ErrorCode::kNotFound, "show", "there is nothing named '", escaped(name), "'",
       near ? cat("; did you mean '", escaped(*near), "'?") : "; 'sconce inspect' lists the names");
}

}  // namespace sconce::toolbox
