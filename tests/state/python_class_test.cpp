#include "sconce/state/python_class.h"

#include <gtest/gtest.h>

namespace sconce {
namespace {

Value call(std::string_view module, std::string_view name, std::initializer_list<Value> args) {
  return Value::object(ObjectKind::kReduce, Value::global(module, name), Value::tuple(args));
}

TEST(PythonClass, OfWhatPythonHas) {
  for (const auto& [value, name] :
       std::vector<std::pair<Value, std::string>>{{nullptr, "NoneType"},
                                                  {true, "bool"},
                                                  {1, "int"},
                                                  {1.5, "float"},
                                                  {"a", "str"},
                                                  {Value::bytes({}), "bytes"},
                                                  {Value::bytes({}, true), "bytearray"},
                                                  {Value::list(), "list"},
                                                  {Value::tuple(), "tuple"},
                                                  {Value::set(), "set"},
                                                  {Value::set({}, true), "frozenset"},
                                                  {Value::dict(), "dict"},
                                                  {Value::ordered_dict(), "collections.OrderedDict"},
                                                  {call("builtins", "slice", {1, 2, 3}), "slice"},
                                                  {call("pathlib", "PosixPath", {"a"}), "pathlib.PosixPath"},
                                                  {Value::global("builtins", "int"), "type"}}) {
    EXPECT_EQ(python_class(value), name);
  }
}

TEST(PythonClass, OfTensors) {
  EXPECT_EQ(python_class(Array::zeros({1})), "torch.Tensor");
  TensorLeaf parameter;
  parameter.is_parameter = true;
  EXPECT_EQ(python_class(parameter), "torch.nn.parameter.Parameter");
  EXPECT_EQ(python_class(SparseLeaf()), "torch.Tensor");
  TensorLeaf storage;
  storage.bare_storage = BareStorage::kTyped;
  EXPECT_EQ(python_class(storage), "torch.storage.TypedStorage");
  storage.bare_storage = BareStorage::kUntyped;
  EXPECT_EQ(python_class(storage), "torch.storage.UntypedStorage");
  EXPECT_EQ(python_class(Value::global("torch", "float32")), "torch.dtype");
}

TEST(PythonClass, OfNumpysScalars) {
  const auto scalar = [](const char* module, const char* code) {
    return python_class(
        call(module, "scalar", {call("numpy", "dtype", {code, false, true}), Value::bytes({})}));
  };
  EXPECT_EQ(scalar("numpy.core.multiarray", "f4"), "numpy.float32");
  EXPECT_EQ(scalar("numpy._core.multiarray", "c16"), "numpy.complex128");
  EXPECT_EQ(scalar("numpy.core.multiarray", "b1"), "numpy.bool_");
  EXPECT_EQ(scalar("numpy._core.multiarray", "b1"), "numpy.bool");
  EXPECT_EQ(scalar("numpy.core.multiarray", "U12"), "numpy.str_");
  for (const char* odd : {"", "f", "f1000000000000000000000", "i?", "O8"}) {
    EXPECT_EQ(scalar("numpy.core.multiarray", odd), "numpy.generic") << odd;
  }
  EXPECT_EQ(python_class(call("numpy.core.multiarray", "scalar", {})), "numpy.generic");
}

TEST(ObjectClass, IsWhatThePickleNames) {
  EXPECT_EQ(object_class(call("builtins", "getattr", {Value::global("m", "Colour"), "RED"})), "m.Colour");
  EXPECT_EQ(object_class(call("numpy.core.multiarray", "_reconstruct", {Value::global("numpy", "ndarray")})),
            "numpy.ndarray");
  EXPECT_EQ(object_class(call("numpy._core.numeric", "_frombuffer", {})), "numpy.ndarray");
  EXPECT_EQ(object_class(call("os", "system", {"x"})), "os.system");
  EXPECT_EQ(object_class(Value::object(ObjectKind::kPersistent, {}, 7)), "object");
}

}  // namespace
}  // namespace sconce
