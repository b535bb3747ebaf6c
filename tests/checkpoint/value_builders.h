// Values as a reader would give them.
#pragma once

#include <string>
#include <vector>

#include "sconce/core/array.h"
#include "sconce/state/value.h"

namespace sconce::checkpoint {

inline Value call(std::string_view module, std::string_view name, std::initializer_list<Value> args = {}) {
  return Value::object(ObjectKind::kReduce, Value::global(module, name), Value::tuple(args));
}

inline Value with_state(Value object, const Value& state) {
  object.add_object_state(state);
  return object;
}

// A pickled module of a class, with parameters, buffers and modules.
struct ModuleParts {
  std::string owner = "torch.nn.modules.linear";
  std::string name = "Linear";
  Value parameters = Value::ordered_dict();
  Value buffers = Value::ordered_dict();
  Value modules = Value::ordered_dict();
  std::vector<Value::Pair> more = {};
};

inline Value module_of(const ModuleParts& parts) {
  Value state = Value::dict({{"training", true},
                             {"_parameters", parts.parameters},
                             {"_buffers", parts.buffers},
                             {"_modules", parts.modules}});
  for (const auto& [key, value] : parts.more) state.set_item(key, value);
  return with_state(Value::object(ObjectKind::kNew, Value::global(parts.owner, parts.name), Value::tuple()),
                    state);
}

inline Value parameter_of(const Array& array) {
  TensorLeaf leaf;
  leaf.array = array;
  leaf.requires_grad = leaf.is_parameter = true;
  return leaf;
}

// numpy's dtype, array and scalar as they stand in a pickle.
inline Value numpy_dtype_of(std::string_view code, std::string_view order = "<") {
  return with_state(call("numpy", "dtype", {code, false, true}),
                    Value::tuple({3, order, nullptr, nullptr, nullptr, -1, -1, 0}));
}

inline Value numpy_array_of(const Value& dtype, const Value& shape, const Value& data,
                            bool is_fortran = false, std::string_view package = "numpy._core") {
  const std::byte b{'b'};
  return with_state(call(std::string(package) + ".multiarray", "_reconstruct",
                         {Value::global("numpy", "ndarray"), Value::tuple({0}), Value::bytes({&b, 1})}),
                    Value::tuple({1, shape, dtype, is_fortran, data}));
}

// 0, 1, 2, ... from `first` on.
inline Array matrix(std::int64_t rows, std::int64_t columns, float first = 0) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < rows * columns; ++i) values.push_back(first + static_cast<float>(i));
  return Array::from(values, {rows, columns});
}

}  // namespace sconce::checkpoint
