// state_dict and load_state_dict of optimizers. Follows torch/optim/optimizer.py, with one difference: what
// is loaded is a copy, so two optimizers never share state because they read one file.
#include <map>

#include "optim/value_copy.h"
#include "sconce/optim/optimizer.h"

namespace sconce::optim {
namespace {

template <class... Parts>
void expect(bool condition, const Parts&... parts) {
  require(condition, ErrorCode::kKeyMismatch, "load_state_dict", parts...);
}

Value part(const Value& dict, std::string_view name, ValueKind kind) {
  const std::optional<Value> found = dict.find(name);
  expect(found.has_value(), "an optimizer's state_dict needs '", name, "', which is missing");
  expect(found->kind() == kind, "'", name, "' of an optimizer's state_dict should be a ",
         value_kind_name(kind), ", found ", value_kind_name(found->kind()));
  return *found;
}

void expect_kind(const Value& value, ValueKind kind, std::string_view what) {
  expect(value.kind() == kind, what, " should be a ", value_kind_name(kind), ", found ",
         value_kind_name(value.kind()));
}

Array own_copy(const Array& array) { return array.clone(); }

// Floating state follows the dtype of its parameter, except "step", which counts.
ParamState read_state(const Value& saved, const Tensor& param) {
  expect_kind(saved, ValueKind::kDict, "the state of a parameter");
  ParamState out;
  for (const auto& [key, value] : saved.items()) {
    expect_kind(key, ValueKind::kString, "the name of a parameter's state");
    const bool follows = key.as_string() != "step" && is_floating(param.dtype());
    out.set(key.as_string(), StateValue::from_value(copy_value(value, [&](const Array& array) {
              return follows && array.dtype() != param.dtype() ? array.cast(param.dtype()) : array.clone();
            })));
  }
  return out;
}

}  // namespace

Value Optimizer::state_dict() const {
  Value groups = Value::list();
  std::int64_t number = 0;
  for (const ParamGroup& group : content_.groups) {
    Value packed = Value::dict();
    for (const auto& [name, value] : group.options()) packed.set_item(name, copy_value(value));
    Value params = Value::list();
    for (std::size_t i = 0; i < group.params().size(); ++i) params.append(number++);
    packed.set_item("params", params);
    groups.append(packed);
  }
  Value states = Value::dict();
  for (const std::size_t slot : content_.order) {
    Value state = Value::dict();
    for (const auto& [name, value] : content_.states[slot])
      state.set_item(name, copy_value(value.to_value()));
    states.set_item(slot, state);
  }
  for (const auto& [key, value] : content_.foreign) states.set_item(copy_value(key), copy_value(value));
  return Value::dict({{"state", states}, {"param_groups", groups}});
}

ParamGroup Optimizer::read_group(const Value& saved, const ParamGroup& own) const {
  Options options;
  for (const auto& [key, value] : saved.items()) {
    expect_kind(key, ValueKind::kString, "the name of an option");
    if (key.as_string() != "params") options.emplace_back(key.as_string(), copy_value(value, own_copy));
  }
  ParamGroup group(own.params(), options);
  if (own.contains("param_names") && !group.contains("param_names")) {
    options.emplace_back("param_names", own.at("param_names"));
  }
  fill_defaults(options);
  return {own.params(), std::move(options)};
}

void Optimizer::read_states(const Value& saved, const std::vector<Value>& saved_groups,
                            Content& content) const {
  // The file's number of each parameter need not be its place: very old files use Python's id().
  struct Owner {
    std::size_t group, index, slot;
  };
  std::map<std::int64_t, Owner> owners;
  std::size_t slot = 0;
  for (std::size_t g = 0; g < saved_groups.size(); ++g) {
    std::size_t index = 0;
    for (const Value& number : saved_groups[g].at("params").elements()) {
      expect_kind(number, ValueKind::kInt, "a parameter's number");
      owners[number.as_int()] = {g, index++, slot++};
    }
  }
  content.states.resize(slot);
  for (const auto& [key, value] : saved.items()) {
    const auto owner = key.is_int() && !key.is_big_int() ? owners.find(key.as_int()) : owners.end();
    if (owner == owners.end()) {
      content.foreign.emplace_back(copy_value(key), copy_value(value, own_copy));
      continue;
    }
    const ParamGroup& group = content.groups[owner->second.group];
    const Tensor& param = group.params()[owner->second.index];
    ParamState state = read_state(value, param);
    upgrade(group, param.array(), state);
    content.states[owner->second.slot] = std::move(state);
    content.order.push_back(owner->second.slot);
  }
}

void Optimizer::load_state_dict(const Value& state) {
  expect_kind(state, ValueKind::kDict, "an optimizer's state_dict");
  const Value saved_states = part(state, "state", ValueKind::kDict);
  const std::vector<Value> saved_groups = part(state, "param_groups", ValueKind::kList).elements();
  expect(saved_groups.size() == content_.groups.size(),
         "loaded state dict has a different number of parameter groups: expected ", content_.groups.size(),
         ", found ", saved_groups.size());
  Content content;
  for (std::size_t i = 0; i < saved_groups.size(); ++i) {
    expect_kind(saved_groups[i], ValueKind::kDict, "a parameter group");
    const std::size_t found = part(saved_groups[i], "params", ValueKind::kList).size();
    const ParamGroup& own = content_.groups[i];
    expect(found == own.params().size(),
           "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
           "group ",
           i, " has ", own.params().size(), " parameters, the file's has ", found);
    content.groups.push_back(read_group(saved_groups[i], own));
    check(content.groups.back());
  }
  read_states(saved_states, saved_groups, content);
  content_ = std::move(content);
}

}  // namespace sconce::optim
