#include "sconce/state/state_dict.h"

#include <algorithm>
#include <utility>

#include "sconce/base/error.h"

namespace sconce {
namespace {

// "a.b." names the module "a.b"; the root's prefix is "".
std::string_view module_of(std::string_view prefix) {
  if (!prefix.empty() && prefix.back() == '.') prefix.remove_suffix(1);
  return prefix;
}

std::string joined(std::string_view prefix, std::string_view name) {
  if (prefix.empty()) return std::string(name);
  if (name.empty()) return std::string(prefix);
  return cat(prefix, ".", name);
}

// `name` below the module `parent`: its name there, or nullopt when it lies elsewhere.
std::optional<std::string> name_below(std::string_view name, std::string_view parent) {
  if (parent.empty() || name == parent) return std::string(parent.empty() ? name : "");
  if (!name.starts_with(parent) || name[parent.size()] != '.') return std::nullopt;
  return std::string(name.substr(parent.size() + 1));
}

}  // namespace

StateValue StateValue::extra(Value value) {
  StateValue out;
  out.content_ = std::move(value);
  return out;
}

StateValue StateValue::from_value(const Value& value) {
  if (!value.is_array()) return extra(value);
  const TensorLeaf& leaf = value.as_tensor();
  const bool is_packed = leaf.quantization && leaf.quantization->packed;
  return leaf.bare_storage != BareStorage::kNo || is_packed ? extra(value) : StateValue(leaf.array);
}

const Array& StateValue::array() const {
  const auto* held = std::get_if<Array>(&content_);
  require(held != nullptr, ErrorCode::kDTypeMismatch, "state_dict", "expected a tensor, found extra state");
  return *held;
}

Array& StateValue::array() { return const_cast<Array&>(std::as_const(*this).array()); }

Value StateValue::to_value() const {
  if (const auto* held = std::get_if<Array>(&content_)) return *held;
  return std::get<Value>(content_);
}

void StateDict::set(std::string name, StateValue value) {
  const auto [place, is_new] = index_.emplace(name, entries_.size());
  if (is_new) {
    entries_.emplace_back(std::move(name), std::move(value));
  } else {
    entries_[place->second].second = std::move(value);
  }
}

const StateValue* StateDict::find(std::string_view name) const {
  // A few, such as an optimizer keeps for a parameter, are sooner looked through than hashed.
  constexpr std::size_t kFew = 8;
  if (entries_.size() <= kFew) {
    const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& candidate) { return candidate.first == name; });
    return entry == entries_.end() ? nullptr : &entry->second;
  }
  const auto found = index_.find(std::string(name));
  return found == index_.end() ? nullptr : &entries_[found->second].second;
}

StateValue* StateDict::find(std::string_view name) {
  return const_cast<StateValue*>(std::as_const(*this).find(name));
}

const StateValue& StateDict::at(std::string_view name) const {
  if (const StateValue* found = find(name)) return *found;
  const auto near = nearest_name(name, names());
  fail(ErrorCode::kNotFound, "state_dict", "no entry '", escaped(name), "'",
       near ? cat("; did you mean '", escaped(*near), "'?") : std::string());
}

bool StateDict::erase(std::string_view name) {
  const auto found = index_.find(std::string(name));
  if (found == index_.end()) return false;
  const std::size_t position = found->second;
  index_.erase(found);
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(position));
  for (auto& [other, place] : index_) place -= place > position ? 1 : 0;
  return true;
}

std::vector<std::string> StateDict::names() const {
  std::vector<std::string> out;
  out.reserve(entries_.size());
  for (const auto& [name, value] : entries_) out.push_back(name);
  return out;
}

std::optional<std::int64_t> StateDict::version(std::string_view prefix) const {
  if (!metadata_) return std::nullopt;
  for (const auto& [module, entry] : *metadata_) {
    if (module != prefix || !entry.is_dict()) continue;
    const auto version = entry.find("version");
    if (version && version->is_int()) return version->as_int();
  }
  return std::nullopt;
}

void StateDict::set_version(std::string_view prefix, std::int64_t version) {
  if (!metadata_) metadata_.emplace();
  for (auto& [module, entry] : *metadata_) {
    if (module != prefix) continue;
    entry.set_item("version", version);
    return;
  }
  metadata_->emplace_back(prefix, Value::dict({{"version", version}}));
}

StateDict StateDict::with_prefix(std::string_view prefix) const {
  StateDict out;
  for (const auto& [name, value] : entries_) out.set(cat(prefix, name), value);
  if (metadata_) {
    out.metadata_.emplace();
    for (const auto& [module, entry] : *metadata_) {
      out.metadata_->emplace_back(joined(module_of(prefix), module), entry);
    }
  }
  return out;
}

StateDict StateDict::strip_prefix(std::string_view prefix) const {
  StateDict out = rename([prefix](std::string_view name) {
    return std::string(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
  });
  if (metadata_) {
    out.metadata_.emplace();
    for (const auto& [module, entry] : *metadata_) {
      // The wrapper itself ('' when 'module.' is stripped) gives way to what it wraps.
      if (module.empty() && !prefix.empty()) continue;
      out.metadata_->emplace_back(name_below(module, module_of(prefix)).value_or(module), entry);
    }
  }
  return out;
}

StateDict StateDict::under_prefix(std::string_view prefix) const {
  StateDict out;
  for (const auto& [name, value] : entries_) {
    if (name.starts_with(prefix)) out.set(name.substr(prefix.size()), value);
  }
  if (metadata_) {
    out.metadata_.emplace();
    for (const auto& [module, entry] : *metadata_) {
      if (auto below = name_below(module, module_of(prefix)))
        out.metadata_->emplace_back(std::move(*below), entry);
    }
  }
  return out;
}

StateDict StateDict::filter(const std::function<bool(std::string_view)>& keep) const {
  StateDict out;
  for (const auto& [name, value] : entries_) {
    if (keep(name)) out.set(name, value);
  }
  out.metadata_ = metadata_;
  return out;
}

StateDict StateDict::rename(const std::function<std::string(std::string_view)>& new_name) const {
  StateDict out;
  for (const auto& [name, value] : entries_) {
    std::string renamed = new_name(name);
    require(!out.contains(renamed), ErrorCode::kKeyMismatch, "state_dict", "two entries would be named '",
            escaped(renamed), "', the second is '", escaped(name), "'");
    out.set(std::move(renamed), value);
  }
  out.metadata_ = metadata_;
  return out;
}

}  // namespace sconce
