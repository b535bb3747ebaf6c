#include "checkpoint/writable.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "checkpoint/numpy_value.h"
#include "checkpoint/stored_tensor.h"
#include "sconce/base/error.h"
#include "sconce/checkpoint/objects.h"

namespace sconce::checkpoint {
namespace {

using Arguments = std::vector<Value>;

bool is_plain_int(const Value& value) { return value.is_int() && !value.is_big_int(); }
bool is_global(const Value& value) { return value.is_object() && value.object_kind() == ObjectKind::kGlobal; }
bool is_int_or_none(const Value& value) { return value.is_none() || value.is_int(); }

// What may be done to an object after the call that makes it.
enum class Then : std::uint8_t { kNothing, kElements, kItems, kState };

struct CallRule {
  std::string_view module;
  std::string_view name;
  Then then;
  bool (*fits)(const Value& object, const Arguments& args);
};

bool none(const Value&, const Arguments& args) { return args.empty(); }

bool sizes(const Value&, const Arguments& args) {
  if (args.empty()) return true;
  if (args.size() != 1 || !args[0].is_tuple()) return false;
  const auto elements = args[0].elements();
  return std::all_of(elements.begin(), elements.end(), is_plain_int);
}

bool text_and_int(const Value&, const Arguments& args) {
  return !args.empty() && args.size() <= 2 && args[0].is_string() &&
         (args.size() == 1 || is_plain_int(args[1]));
}

bool one_text(const Value&, const Arguments& args) { return args.size() == 1 && args[0].is_string(); }
bool one_bool(const Value&, const Arguments& args) { return args.size() == 1 && args[0].is_bool(); }

bool texts(const Value&, const Arguments& args) {
  return std::all_of(args.begin(), args.end(), [](const Value& arg) { return arg.is_string(); });
}

bool numbers(const Value&, const Arguments& args) {
  return std::all_of(args.begin(), args.end(), is_int_or_none);
}

// Two ints, or "3/4": other texts ("1e999999999") make Python compute for ever.
bool fraction(const Value&, const Arguments& args) {
  if (args.size() == 2) return args[0].is_int() && args[1].is_int();
  return args.size() == 1 && args[0].is_string() &&
         args[0].as_string().find_first_not_of("-0123456789/") == std::string::npos;
}

// Packed bytes (Python 2: a str) or numbers, and a time zone.
bool date(const Value&, const Arguments& args) {
  return std::all_of(args.begin(), args.end(), [](const Value& arg) {
    return arg.is_bytes() || arg.is_string() || is_int_or_none(arg) ||
           (arg.is_object() && arg.global_module() == "datetime");
  });
}

bool counter(const Value&, const Arguments& args) {
  return args.empty() || (args.size() == 1 && args[0].is_dict());
}

// The factory is called for a key that is missing, with nothing: a class that makes something empty.
bool default_dict(const Value&, const Arguments& args) {
  if (args.empty() || (args.size() == 1 && args[0].is_none())) return true;
  if (args.size() != 1 || !is_global(args[0])) return false;
  static constexpr std::string_view kBuiltins[] = {"int",  "float", "bool", "str",
                                                   "list", "tuple", "dict", "set"};
  static constexpr std::string_view kCollections[] = {"OrderedDict", "Counter", "deque", "defaultdict"};
  const std::string name = args[0].global_name();
  if (args[0].global_module() == "builtins") return std::ranges::find(kBuiltins, name) != std::end(kBuiltins);
  return args[0].global_module() == "collections" &&
         std::ranges::find(kCollections, name) != std::end(kCollections);
}

bool deque(const Value&, const Arguments& args) {
  return args.size() <= 2 && (args.empty() || args[0].is_tuple() || args[0].is_list()) &&
         (args.size() < 2 || is_int_or_none(args[1]));
}

// State of tensors: attributes without special names, as a dict or with slots beside it.
bool is_plain_state(const Value& state) {
  if (state.is_none()) return true;
  if (state.is_tuple()) {
    return state.size() == 2 && !state.at(0).is_tuple() && !state.at(1).is_tuple() &&
           is_plain_state(state.at(0)) && is_plain_state(state.at(1));
  }
  if (!state.is_dict()) return false;
  const auto items = state.items();
  return std::all_of(items.begin(), items.end(), [](const Value::Pair& item) {
    return item.first.is_string() && !is_special_name(item.first.as_string());
  });
}

bool meta(const Value& object, const Arguments& args) {
  if (!meta_tensor(object)) return false;
  if (object.global_name() == "_rebuild_from_type_v2") {
    const bool is_tensor =
        is_global(args[1]) &&
        ((args[1].global_module() == "torch" && args[1].global_name() == "Tensor") ||
         (args[1].global_module() == "torch.nn.parameter" && args[1].global_name() == "Parameter"));
    return is_tensor && is_plain_state(args[3]);
  }
  // (tensor, requires_grad, hooks[, state])
  const bool is_parameter = object.global_name() != "_rebuild_meta_tensor_no_storage";
  if (!is_parameter) return true;
  const bool has_no_hooks =
      args.size() > 2 && (args[2].is_none() || (args[2].is_dict() && args[2].size() == 0));
  return has_no_hooks && args.size() <= 4 && (args.size() < 4 || is_plain_state(args[3]));
}

// (buffer, sizes, strides, offsets): torch reads where they point.
bool nested(const Value&, const Arguments& args) {
  if (args.size() != 4) return false;
  for (const Value& arg : args) {
    if (!is_dense_tensor(arg) || !arg.as_array().defined()) return false;
  }
  const Array& buffer = args[0].as_array();
  const Array& shapes = args[1].as_array();
  const Array& strides = args[2].as_array();
  const Array& offsets = args[3].as_array();
  if (buffer.rank() != 1 || shapes.dtype() != kInt64 || strides.dtype() != kInt64 ||
      offsets.dtype() != kInt64)
    return false;
  if (offsets.rank() != 1) return false;
  const std::int64_t count = offsets.size(0);
  if (count == 0) return shapes.numel() == 0 && strides.numel() == 0;
  if (shapes.rank() != 2 || shapes.shape() != strides.shape() || shapes.size(0) != count ||
      shapes.size(1) > 64)
    return false;
  const auto sizes_of = [](const Array& table, std::int64_t row) {
    return Dims(std::span<const std::int64_t>(table.select(0, row).to_vector<std::int64_t>()));
  };
  const auto starts = offsets.to_vector<std::int64_t>();
  for (std::int64_t row = 0; row < count; ++row) {
    try {
      const Geometry part{Shape(sizes_of(shapes, row)), sizes_of(strides, row),
                          starts[static_cast<std::size_t>(row)]};
      if (part.required_elements() > buffer.numel() || part.offset > buffer.numel()) return false;
    } catch (const Error&) {  // a negative number, or beyond 64 bits
      return false;
    }
  }
  return true;
}

// Generator(device), then (seed, offset, state), which torch checks itself.
bool generator(const Value& object, const Arguments& args) {
  const auto states = object.object_states();
  if (args.size() != 1 || states.size() != 1 || !states[0].is_tuple() || states[0].size() != 3) return false;
  const Value state = states[0].at(2);
  return args[0].is_object() && args[0].global_name() == "device" && states[0].at(0).is_int() &&
         is_int_or_none(states[0].at(1)) && state.is_array() && state.as_array().dtype() == kUInt8;
}

// Records are left out, as verify does not trust them: their fields are laid over raw bytes.
bool numpy(const Value& object, const Arguments&) {
  if (const auto array = numpy_object(object)) return !array->dtype.is_record;
  const auto dtype = numpy_dtype(object);
  return dtype && !dtype->is_record;
}

constexpr CallRule kRules[] = {
    {"torch", "Size", Then::kNothing, sizes},
    {"torch", "device", Then::kNothing, text_and_int},
    {"torch.serialization", "_get_layout", Then::kNothing, one_text},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", Then::kNothing, meta},
    {"torch._utils", "_rebuild_parameter", Then::kNothing, meta},
    {"torch._utils", "_rebuild_parameter_with_state", Then::kNothing, meta},
    {"torch._tensor", "_rebuild_from_type_v2", Then::kNothing, meta},
    {"torch._utils", "_rebuild_nested_tensor", Then::kNothing, nested},
    {"torch.nn.parameter", "UninitializedParameter", Then::kNothing, one_bool},
    {"torch.nn.parameter", "UninitializedBuffer", Then::kNothing, one_bool},
    {"torch._C", "Generator", Then::kState, generator},
    {"collections", "Counter", Then::kItems, counter},
    {"collections", "defaultdict", Then::kItems, default_dict},
    {"collections", "deque", Then::kElements, deque},
    {"builtins", "slice", Then::kNothing, numbers},
    {"builtins", "range", Then::kNothing, numbers},
    {"argparse", "Namespace", Then::kState, none},
    {"types", "SimpleNamespace", Then::kState, none},
    {"uuid", "UUID", Then::kState, none},
    {"datetime", "datetime", Then::kNothing, date},
    {"datetime", "date", Then::kNothing, date},
    {"datetime", "time", Then::kNothing, date},
    {"datetime", "timedelta", Then::kNothing, numbers},
    {"datetime", "timezone", Then::kNothing, date},
    {"decimal", "Decimal", Then::kNothing, one_text},
    {"fractions", "Fraction", Then::kNothing, fraction},
    {"pathlib", "Path", Then::kNothing, texts},
    {"pathlib", "PosixPath", Then::kNothing, texts},
    {"pathlib", "PurePosixPath", Then::kNothing, texts},
    {"pathlib", "WindowsPath", Then::kNothing, texts},
    {"pathlib", "PureWindowsPath", Then::kNothing, texts},
    {"pathlib._local", "PosixPath", Then::kNothing, texts},
    {"pathlib._local", "PurePosixPath", Then::kNothing, texts},
    {"numpy", "dtype", Then::kState, numpy},
    {"numpy.core.multiarray", "scalar", Then::kNothing, numpy},
    {"numpy._core.multiarray", "scalar", Then::kNothing, numpy},
    {"numpy.core.multiarray", "_reconstruct", Then::kState, numpy},
    {"numpy._core.multiarray", "_reconstruct", Then::kState, numpy},
    {"numpy.core.numeric", "_frombuffer", Then::kNothing, numpy},
    {"numpy._core.numeric", "_frombuffer", Then::kNothing, numpy},
    {"numpy.ma.core", "_mareconstruct", Then::kState, numpy},
};

// States given to Python's own classes become attributes; numpy's and torch's are checked by their rules.
bool are_plain_states(const Value& object, bool is_attributes) {
  const auto states = object.object_states();
  return !is_attributes || std::all_of(states.begin(), states.end(), [](const Value& state) {
    return state.is_dict() && is_plain_state(state);
  });
}

// A module of torch.nn as pickle makes it: an empty one that is given its attributes.
bool is_plain_module(const Value& object) {
  return object.object_kind() == ObjectKind::kNew && object.object_kwargs().is_none() &&
         object.object_args().is_tuple() && object.object_args().size() == 0 &&
         object.object_elements().empty() && object.object_items().empty() && are_plain_states(object, true);
}

bool is_allowed_call(const Value& object) {
  const std::string module = object.global_module();
  const std::string name = object.global_name();
  if (is_nn_module(module, name)) return is_plain_module(object);
  const auto* rule = std::ranges::find_if(kRules, [&](const CallRule& candidate) {
    return candidate.name == name && candidate.module == module;
  });
  if (rule == std::end(kRules) || !object.object_kwargs().is_none() || !object.object_args().is_tuple())
    return false;
  if (rule->then != Then::kElements && !object.object_elements().empty()) return false;
  if (rule->then != Then::kItems && !object.object_items().empty()) return false;
  if (rule->then != Then::kState && !object.object_states().empty()) return false;
  return are_plain_states(object, rule->fits == none) && rule->fits(object, object.object_args().elements());
}

// The values that the making of `value` needs; what is put into it afterwards is judged item by item.
void add_parts(const Value& value, std::vector<Value>& out) {
  if (value.is_list() || value.is_tuple() || value.is_set()) {
    for (const Value& element : value.elements()) out.push_back(element);
  } else if (value.is_dict()) {
    for (const auto& [key, item] : value.items()) {
      out.push_back(key);
      out.push_back(item);
    }
  } else if (value.is_object() && value.object_kind() != ObjectKind::kGlobal) {
    out.push_back(value.object_args());
  }
}

}  // namespace

bool is_special_name(std::string_view name) { return name.starts_with("__") && name.ends_with("__"); }

bool Writability::operator()(const Value& object) {
  std::vector<Value> open{object};
  std::vector<const void*> judged;
  std::unordered_set<const void*> seen;
  bool writable = true;
  while (!open.empty() && writable) {
    const Value value = open.back();
    open.pop_back();
    budget_.visit();
    if (!seen.insert(value.id()).second) continue;
    if (value.is_object()) {
      if (const auto at = known_.find(value.id()); at != known_.end()) {
        writable = at->second;
        continue;
      }
      writable = trust_of(value.global_module(), value.global_name()) >= least_ &&
                 (is_global(value) || is_allowed_call(value));
      judged.push_back(value.id());
    }
    add_parts(value, open);
  }
  // When all is well, so is each object on the way; otherwise only this one is known to be affected.
  if (writable) {
    for (const void* id : judged) known_.emplace(id, true);
  } else {
    known_.emplace(object.id(), false);
  }
  return writable;
}

}  // namespace sconce::checkpoint
