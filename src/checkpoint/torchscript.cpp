#include "checkpoint/torchscript.h"

#include <algorithm>
#include <utility>

#include "checkpoint/module_stack.h"
#include "checkpoint/notes.h"
#include "sconce/base/error.h"
#include "sconce/checkpoint/walk_budget.h"

namespace sconce::checkpoint {
namespace {

constexpr std::string_view kRoot = "__torch__";

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// ["weight", "bias", ]: nullopt for anything else, escapes in names included.
std::optional<std::vector<std::string>> name_list(std::string_view text) {
  if (!text.starts_with('[') || !text.ends_with(']')) return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<std::string> out;
  while (!text.empty()) {
    if (!text.starts_with('"')) return std::nullopt;
    const std::size_t end = text.find('"', 1);
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view name = text.substr(1, end - 1);
    const bool is_plain = std::all_of(name.begin(), name.end(), [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && c != '\\' && c != 0x7F;
    });
    if (name.empty() || !is_plain) return std::nullopt;
    out.emplace_back(name);
    text.remove_prefix(end + 1);
    if (!text.empty() && !text.starts_with(", ")) return std::nullopt;
    text.remove_prefix(std::min<std::size_t>(2, text.size()));
  }
  return out;
}

// class NAME(BASE): or class NAME: at the beginning of a line.
struct ClassLine {
  std::string_view name;
  std::string_view base;
};
std::optional<ClassLine> class_line(std::string_view line) {
  constexpr std::string_view kWord = "class ";
  if (!line.starts_with(kWord) || !line.ends_with(':')) return std::nullopt;
  line = line.substr(kWord.size(), line.size() - kWord.size() - 1);
  const auto* end = std::find_if_not(line.begin(), line.end(), is_name_character);
  ClassLine out{line.substr(0, static_cast<std::size_t>(end - line.begin())), {}};
  const std::string_view rest = line.substr(out.name.size());
  if (out.name.empty() || (!rest.empty() && !(rest.starts_with('(') && rest.ends_with(')'))))
    return std::nullopt;
  if (!rest.empty()) out.base = rest.substr(1, rest.size() - 2);
  return out;
}

bool is_tensor(const Value& value) { return value.is_array() || value.is_sparse(); }

bool requires_grad(const Value& tensor) {
  return tensor.is_array() ? tensor.as_tensor().requires_grad : tensor.as_sparse().requires_grad;
}

bool is_script_object(const Value& value) {
  if (!value.is_object() || value.object_kind() != ObjectKind::kNew) return false;
  const std::string module = value.global_module();
  return module == kRoot || module.starts_with(cat(kRoot, "."));
}

bool holds(const std::vector<std::string>& names, const Value& key) {
  return key.is_string() && std::find(names.begin(), names.end(), key.as_string()) != names.end();
}

class ScriptWalk {
 public:
  ScriptWalk(const FindScriptClass& find, const NamedLimits& limits) : find_(find), budget_(limits) {}

  ModuleState run(const Value& root) {
    require(is_script_object(root), ErrorCode::kCorrupt, "torchscript", "the archive holds no module");
    enter(root, "");
    while (const auto child = stack_.next()) enter(child->value, child->name + ".");
    out_.notes = notes_.list();
    return std::move(out_);
  }

 private:
  void enter(const Value& module, const std::string& prefix) {
    budget_.visit();
    stack_.enter(module, prefix, {});
    const std::string place = ModuleStack::place_of(prefix);
    budget_.keep(place.size(), 2);
    out_.modules.emplace_back(place, module);
    const auto states = module.object_states();
    if (states.size() == 1 && states[0].is_dict()) {
      add_attributes(states[0].items(), module, prefix);
    } else {
      note_custom_state(module, place);
    }
  }

  void add_attributes(const std::vector<Value::Pair>& attributes, const Value& module,
                      const std::string& prefix) {
    const ScriptClass* type = find_(module.global_module(), module.global_name());
    const bool is_known = type != nullptr && type->is_readable && type->parameters;
    if (!is_known) {
      notes_.add(cat("the code of class ", class_name(module),
                     " does not say what its parameters are: every tensor in it counts"),
                 ModuleStack::place_of(prefix));
    }
    const auto is_parameter = [&](const Value::Pair& attribute) {
      return !is_known || holds(*type->parameters, attribute.first);
    };
    const auto is_buffer = [&](const Value::Pair& attribute) {
      if (!is_known || is_parameter(attribute)) return false;
      return type->buffers ? holds(*type->buffers, attribute.first) : !requires_grad(attribute.second);
    };
    for (const auto& attribute : attributes) {
      if (is_tensor(attribute.second) && is_parameter(attribute)) add(attribute, prefix);
    }
    for (const auto& attribute : attributes) {
      if (is_tensor(attribute.second) && is_buffer(attribute)) add(attribute, prefix);
    }
    for (const auto& attribute : attributes) {
      budget_.visit();
      if (!is_script_object(attribute.second)) continue;
      if (is_native(attribute.second)) {
        note_custom_state(attribute.second, prefix + key_name(attribute.first));
      } else if (is_submodule(attribute.second)) {
        stack_.add_child(attribute);
      }
    }
  }

  // Of a class in C++ (packed weights of quantized layers): no module, so not in the state_dict at all.
  static bool is_native(const Value& value) {
    return value.global_module().starts_with("__torch__.torch.classes.");
  }

  void note_custom_state(const Value& object, const std::string& place) {
    notes_.add(cat("class ", class_name(object), " has custom state; result may be incomplete"), place);
  }

  // Classes that are no modules (named tuples, plain classes) have no state_dict.
  bool is_submodule(const Value& value) const {
    const ScriptClass* type = find_(value.global_module(), value.global_name());
    return type == nullptr || type->is_module;
  }

  void add(const Value::Pair& attribute, const std::string& prefix) {
    const std::string name = prefix + key_name(attribute.first);
    budget_.visit();
    budget_.keep(name.size(), 2);
    out_.entries.emplace_back(name, attribute.second);
  }

  static std::string class_name(const Value& module) {
    return escaped(cat(module.global_module(), ".", module.global_name()));
  }

  const FindScriptClass& find_;
  WalkBudget budget_;
  ModuleState out_;
  Notes notes_;
  ModuleStack stack_{"torchscript"};
};

}  // namespace

std::map<std::string, ScriptClass, std::less<>> script_classes(std::string_view code) {
  std::map<std::string, ScriptClass, std::less<>> out;
  ScriptClass* current = nullptr;  // while the lines are those right below its header
  while (!code.empty()) {
    const std::size_t end = std::min(code.find('\n'), code.size());
    const std::string_view line = code.substr(0, end);
    code.remove_prefix(std::min(end + 1, code.size()));
    if (const auto header = class_line(line)) {
      const auto [at, fresh] = out.try_emplace(std::string(header->name));
      current = &at->second;
      current->is_module = header->base == "Module";
      if (!fresh) current->is_readable = false;  // two classes of one name
      continue;
    }
    if (current == nullptr || !current->is_module) continue;
    constexpr std::string_view kParameters = "  __parameters__ = ";
    constexpr std::string_view kBuffers = "  __buffers__ = ";
    if (line.starts_with(kParameters)) {
      current->parameters = name_list(line.substr(kParameters.size()));
      current->is_readable = current->is_readable && current->parameters;
    } else if (line.starts_with(kBuffers)) {
      current->buffers = name_list(line.substr(kBuffers.size()));
      current->is_readable = current->is_readable && current->buffers;
    } else {
      current = nullptr;
    }
  }
  return out;
}

std::string script_source(std::string_view qualifier) {
  std::string out = "code/";
  for (const char c : qualifier) out += c == '.' ? '/' : c;
  return out + ".py";
}

ModuleState script_state(const Value& root, const FindScriptClass& find, const NamedLimits& limits) {
  return ScriptWalk(find, limits).run(root);
}

}  // namespace sconce::checkpoint
