#include "sconce/optim/param_group.h"

#include "optim/value_copy.h"

namespace sconce::optim {

Params::Params(const std::vector<std::pair<std::string, Tensor>>& named) {
  for (const auto& [name, tensor] : named) {
    names_.push_back(name);
    tensors_.push_back(tensor);
  }
}

const Value* ParamGroup::find(std::string_view name) const {
  for (const auto& [known, value] : options_) {
    if (known == name) return &value;
  }
  return nullptr;
}

const Value& ParamGroup::get(std::string_view name) const {
  const Value* value = find(name);
  require(value != nullptr, ErrorCode::kNotFound, "optim", "the parameter group has no option '", name, "'");
  return *value;
}

Value ParamGroup::at(std::string_view name) const { return copy_value(get(name)); }

double ParamGroup::number(std::string_view name) const {
  const Value& value = get(name);
  if (value.is_array()) return value.as_array().item<double>();
  require(value.is_float() || value.is_int() || value.is_bool(), ErrorCode::kDTypeMismatch, "optim",
          "option '", name, "' should be a number, found ", value_kind_name(value.kind()));
  return value.is_bool() ? static_cast<double>(value.as_bool()) : value.as_float();
}

bool ParamGroup::flag(std::string_view name) const {
  const Value& value = get(name);
  if (value.is_none()) return false;
  return value.is_bool() ? value.as_bool() : number(name) != 0;
}

void ParamGroup::set(std::string_view name, const Value& value) {
  for (auto& [known, old] : options_) {
    if (known == name) {
      old = copy_value(value);
      return;
    }
  }
  options_.emplace_back(name, copy_value(value));
}

}  // namespace sconce::optim
