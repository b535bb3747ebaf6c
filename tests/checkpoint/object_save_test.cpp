// What save() writes of objects: only what is harmless to make again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "checkpoint/saved.h"
#include "checkpoint/value_builders.h"
#include "sconce/checkpoint/objects.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const SaveOptions kKeepObjects{.keep_objects = true};

bool is_kept(const Value& object) {
  return saved(Value::dict({{"x", object}}), kKeepObjects).value().contains("x");
}
bool is_plain(const Value& object) { return saved(Value::dict({{"x", object}}), {}).value().contains("x"); }

const Value kList = Value::global("builtins", "list");

TEST(SaveObjects, NamesAreNotCalls) {
  EXPECT_TRUE(is_kept(kList));
  EXPECT_FALSE(is_plain(kList));
  EXPECT_FALSE(is_kept(call("builtins", "list", {call("builtins", "range", {1'000'000'000})})));
  EXPECT_FALSE(is_kept(call("torch", "Tensor", {3})));
  EXPECT_FALSE(is_kept(call("torch.nn.parameter", "Parameter")));
  EXPECT_FALSE(is_kept(call("numpy", "ndarray", {Value::tuple({1'000'000'000})})));
  EXPECT_FALSE(is_kept(call("torch._utils", "_rebuild_tensor_v2", {1})));
  EXPECT_FALSE(is_kept(call("torch._utils", "_rebuild_wrapper_subclass", {1})));
  EXPECT_FALSE(is_kept(Value::object(ObjectKind::kPersistent, Value(), Value::tuple({"storage"}))));
}

TEST(SaveObjects, ArgumentsAreThoseThatPythonWrites) {
  EXPECT_TRUE(is_plain(call("torch", "Size", {Value::tuple({2, 3})})));
  EXPECT_FALSE(is_plain(call("torch", "Size", {2, 3})));
  EXPECT_TRUE(is_plain(call("torch", "device", {"cuda", 1})));
  EXPECT_FALSE(is_plain(call("torch", "device", {1})));
  EXPECT_TRUE(is_plain(call("collections", "Counter", {Value::dict({{"a", 1}})})));
  EXPECT_FALSE(is_kept(call("collections", "Counter", {call("builtins", "range", {9})})));
  EXPECT_TRUE(is_kept(call("collections", "defaultdict", {kList})));
  EXPECT_TRUE(is_kept(call("collections", "defaultdict")));
  EXPECT_FALSE(is_kept(call("collections", "defaultdict", {Value::global("pathlib", "Path")})));
  EXPECT_FALSE(is_kept(call("collections", "defaultdict", {call("collections", "Counter")})));
  EXPECT_TRUE(is_kept(call("fractions", "Fraction", {"-3/4"})));
  EXPECT_FALSE(is_kept(call("fractions", "Fraction", {"1e999999999"})));
  EXPECT_TRUE(is_kept(call("datetime", "timedelta", {1, 2, 3})));
  EXPECT_FALSE(is_kept(call("datetime", "datetime", {call("pathlib", "Path", {"x"})})));
  EXPECT_TRUE(is_kept(call("pathlib", "PosixPath", {"/", "x"})));
  EXPECT_FALSE(is_kept(call("pathlib", "PosixPath", {1})));
  EXPECT_FALSE(is_kept(Value::object(ObjectKind::kReduce, Value::global("pathlib", "Path"), Value::tuple(),
                                     Value::dict({{"a", 1}}))));
}

TEST(SaveObjects, OneBadPartSpoilsACall) {
  const Value evil = call("os", "system", {"x"});
  EXPECT_FALSE(is_kept(call("collections", "deque", {Value::list({evil})})));
  EXPECT_FALSE(is_kept(call("collections", "Counter", {Value::dict({{"a", Value::tuple({evil})}})})));
  EXPECT_FALSE(is_kept(call("collections", "Counter", {Value::dict({{evil, 1}})})));
  Value deque = call("collections", "deque");
  deque.add_object_element(evil);  // put in afterwards: left out alone
  const Saved out = saved(Value::dict({{"x", deque}}), kKeepObjects);
  EXPECT_TRUE(out.value().contains("x"));
  EXPECT_THAT(out.warnings, ElementsAre(HasSubstr("os.system")));
}

// With None in the place of an object, two keys would be one.
TEST(SaveObjects, KeysAreWrittenWholeOrNotAtAll) {
  const Value evil = call("os", "system", {"x"});
  const Value other = call("os", "system", {"y"});
  const Value deep = Value::tuple({1, Value::tuple({other})});
  const Saved dict =
      saved(Value::dict({{Value::tuple({evil}), 1}, {deep, 2}, {Value::tuple({"a"}), 3}}), kKeepObjects);
  EXPECT_EQ(dict.value().size(), 1U);
  EXPECT_EQ(dict.value().items().at(0).second.as_int(), 3);
  EXPECT_THAT(dict.warnings, ElementsAre(HasSubstr("a tuple that holds a Python object"),
                                         HasSubstr("a tuple that holds a Python object")));

  Value set = Value::set({});
  for (const Value& member : {Value::tuple({evil}), Value::tuple({other}), deep, Value::tuple({Value()})}) {
    set.append(member);
  }
  EXPECT_EQ(set.size(), 4U);
  const Saved out = saved(Value::dict({{"s", set}}), kKeepObjects);
  EXPECT_EQ(out.value().at("s").size(), 1U);
  EXPECT_EQ(out.warnings.size(), 3U);

  // A tuple that is no key keeps its length.
  const Saved plain = saved(Value::dict({{"t", Value::tuple({evil, 2})}}), kKeepObjects);
  EXPECT_TRUE(plain.value().at("t").elements().at(0).is_none());
}

TEST(SaveObjects, WhatFollowsTheCallIsChecked) {
  const auto space = [] {
    return Value::object(ObjectKind::kNew, Value::global("argparse", "Namespace"), Value::tuple());
  };
  EXPECT_TRUE(is_kept(with_state(space(), Value::dict({{"a", 1}}))));
  EXPECT_FALSE(is_kept(with_state(space(), Value::dict({{"__class__", 1}}))));
  EXPECT_FALSE(is_kept(with_state(space(), Value::dict({{1, 1}}))));
  EXPECT_FALSE(is_kept(with_state(space(), Value::tuple({nullptr, Value::dict({{"a", 1}})}))));
  EXPECT_FALSE(is_kept(with_state(call("datetime", "date", {1, 1, 1}), Value::dict({{"a", 1}}))));
  Value path = call("pathlib", "Path", {"x"});
  path.add_object_item("a", 1);
  EXPECT_FALSE(is_kept(path));
  Value size = call("torch", "Size", {Value::tuple()});
  size.add_object_element(1);
  EXPECT_FALSE(is_plain(size));
}

TEST(SaveObjects, NumpyIsWrittenOnlyWhole) {
  const Value f4 = numpy_dtype_of("f4");
  const auto four = Value::bytes(std::vector<std::byte>(4));
  EXPECT_TRUE(is_kept(numpy_array_of(f4, Value::tuple({1}), four)));
  EXPECT_FALSE(is_plain(numpy_array_of(f4, Value::tuple({1}), four)));
  EXPECT_FALSE(is_kept(numpy_array_of(f4, Value::tuple({2}), four)));
  EXPECT_TRUE(is_kept(f4));
  EXPECT_FALSE(is_kept(call("numpy", "dtype", {"f4"})));
  EXPECT_FALSE(is_kept(call("numpy", "dtype", {"f4", false, true})));  // without its state
  const auto dtype = [](std::string_view code, std::initializer_list<Value> state) {
    return with_state(call("numpy", "dtype", {code, false, true}), Value::tuple(state));
  };
  const Value object = dtype("O8", {3, "|", nullptr, nullptr, nullptr, -1, -1, 63});
  EXPECT_TRUE(is_kept(object));
  EXPECT_TRUE(is_kept(numpy_array_of(object, Value::tuple({2}), Value::list({1, "a"}))));
  EXPECT_FALSE(is_kept(numpy_array_of(object, Value::tuple({3}), Value::list({1, "a"}))));
  EXPECT_FALSE(is_kept(numpy_array_of(object, Value::tuple({1}), Value::bytes(std::vector<std::byte>(8)))));
  const auto record = [&](const Value& field, int flags) {
    return dtype("V8", {3, "|", nullptr, Value::tuple({"a"}), Value::dict({{"a", field}}), 8, 1, flags});
  };
  EXPECT_TRUE(is_understood(record(Value::tuple({f4, 4}), 16)));
  EXPECT_FALSE(is_kept(record(Value::tuple({f4, 4}), 16)));  // verify does not trust records
  EXPECT_FALSE(is_understood(record(Value::tuple({f4, 5}), 16)));
  EXPECT_FALSE(is_understood(record(Value::tuple({f4, -1}), 16)));
  EXPECT_FALSE(is_understood(record(Value::tuple({f4, 4}), 1)));
  EXPECT_FALSE(is_understood(record(Value::tuple({object, 0}), 16)));  // bytes read as pointers
  EXPECT_FALSE(is_understood(record(Value::tuple({object, 0}), 27)));
  Value nested = f4;
  for (int i = 0; i < 20; ++i) {
    nested = dtype("V4", {3, "|", nullptr, Value::tuple({"a"}),
                          Value::dict({{"a", Value::tuple({nested, 0})}}), 4, 1, 16});
  }
  EXPECT_FALSE(is_understood(nested));
  // An array that is put into itself as the fill value of a mask is not walked for ever.
  Value masked = call("numpy.ma.core", "_mareconstruct",
                      {Value::global("numpy.ma.core", "MaskedArray"), Value::global("numpy", "ndarray"),
                       Value::tuple({0}), "b"});
  masked.add_object_state(
      Value::tuple({1, Value::tuple({1}), f4, false, four, Value::bytes(std::vector<std::byte>(1)), masked}));
  EXPECT_FALSE(is_kept(masked));
}

TEST(SaveObjects, ArraysOfUnknownObjectsKeepTheirLength) {
  const Value object = with_state(call("numpy", "dtype", {"O8", false, true}),
                                  Value::tuple({3, "|", nullptr, nullptr, nullptr, -1, -1, 63}));
  const Value array =
      numpy_array_of(object, Value::tuple({2}), Value::list({call("os", "system", {"x"}), 5}));
  const Saved out = saved(Value::dict({{"x", array}}), kKeepObjects);
  const Value list = out.value().at("x").object_states().at(0).at(4);
  ASSERT_EQ(list.size(), 2u);
  EXPECT_TRUE(list.at(0).is_none());
}

TEST(SaveObjects, ModulesOfTorchNn) {
  const Value linear = module_of({.parameters = Value::dict({{"weight", Array::ones({1})}})});
  EXPECT_TRUE(is_kept(linear));
  EXPECT_FALSE(is_plain(linear));
  EXPECT_FALSE(is_kept(module_of({.owner = "__main__", .name = "Net"})));
  EXPECT_FALSE(is_kept(module_of({.more = {{"__class__", 1}}})));
  EXPECT_FALSE(is_kept(call("torch.nn.modules.linear", "Linear", {2, 3})));
  Value holder = module_of({.modules = Value::dict({{"evil", module_of({.owner = "m", .name = "Evil"})}})});
  const Saved out = saved(Value::list({holder}), kKeepObjects);
  EXPECT_THAT(out.warnings, ElementsAre(HasSubstr("m.Evil")));
  EXPECT_EQ(out.value().at(0).object_states().at(0).at("_modules").size(), 0u);
}

TEST(SaveObjects, MetaTensorsAreTensors) {
  const MetaTensor meta{kFloat32, Geometry::contiguous({2, 3}), true, true};
  const Saved out = saved(Value::dict({{"x", meta_value(meta)}}), {});
  EXPECT_THAT(out.warnings, IsEmpty());
  ASSERT_TRUE(meta_tensor(out.value().at("x")));
  EXPECT_TRUE(meta_tensor(out.value().at("x"))->is_parameter);
  const Value f4 = Value::global("torch", "float32");
  const auto from_type = [&](const Value& function, const Value& type, const Value& state) {
    return call("torch._tensor", "_rebuild_from_type_v2",
                {function, type, Value::tuple({f4, Value::tuple(), Value::tuple(), false}), state});
  };
  const Value rebuild = Value::global("torch._utils", "_rebuild_meta_tensor_no_storage");
  const Value tensor = Value::global("torch", "Tensor");
  EXPECT_TRUE(is_plain(from_type(rebuild, tensor, Value::dict({{"a", 1}}))));
  EXPECT_FALSE(is_kept(from_type(rebuild, tensor, Value::dict({{"__class__", 1}}))));
  EXPECT_FALSE(is_kept(from_type(rebuild, tensor, 5)));
  EXPECT_FALSE(is_kept(from_type(rebuild, Value::global("argparse", "Namespace"), nullptr)));
  EXPECT_FALSE(is_kept(from_type(Value::global("pathlib", "Path"), tensor, nullptr)));
  const Value hooks = Value::ordered_dict({{0, Value::global("pathlib", "Path")}});
  EXPECT_FALSE(is_kept(call("torch._utils", "_rebuild_parameter", {meta_value({}), true, hooks})));
  EXPECT_FALSE(is_kept(call("torch._utils", "_rebuild_parameter", {Value::list({1}), true, nullptr})));
}

TEST(SaveObjects, NestedTensorsLieWithinTheirBuffer) {
  const auto nested = [](std::vector<std::int64_t> sizes, std::vector<std::int64_t> strides,
                         std::int64_t offset) {
    const auto columns = static_cast<std::int64_t>(sizes.size());
    return call("torch._utils", "_rebuild_nested_tensor",
                {Array::ones({6}), Array::from(sizes, {1, columns}), Array::from(strides, {1, columns}),
                 Array::from<std::int64_t>({offset}, {1})});
  };
  EXPECT_TRUE(is_plain(nested({2, 3}, {3, 1}, 0)));
  EXPECT_TRUE(is_plain(nested({2}, {1}, 4)));
  EXPECT_FALSE(is_plain(nested({2, 4}, {3, 1}, 0)));
  EXPECT_FALSE(is_plain(nested({2}, {1}, 5)));
  EXPECT_FALSE(is_plain(nested({2}, {-1}, 5)));
  EXPECT_FALSE(is_plain(nested({INT64_MAX}, {INT64_MAX}, 0)));
  EXPECT_FALSE(is_plain(call("torch._utils", "_rebuild_nested_tensor", {1, 2, 3, 4})));
  EXPECT_FALSE(is_plain(call("torch._utils", "_rebuild_nested_tensor", {Array::ones({6})})));
}

TEST(SaveObjects, AttributesOfTensors) {
  Value tensor = Array::ones({1});
  tensor.set_attribute("note", 1);
  tensor.set_attribute("__reduce__", Value::global("pathlib", "Path"));
  tensor.set_attribute("__class__", Value::global("collections", "Counter"));
  const Saved out = saved(Value::list({tensor}), kKeepObjects);
  EXPECT_EQ(out.value().at(0).attributes().size(), 1u);
  EXPECT_EQ(out.value().at(0).attribute("note")->as_int(), 1);
  EXPECT_THAT(out.warnings, ElementsAre(HasSubstr("__reduce__"), HasSubstr("collections.Counter")));
}

TEST(SaveObjects, ManyNestedObjectsAreJudgedOnce) {
  Value chain = call("collections", "deque");
  for (int i = 0; i < 20'000; ++i) chain = call("collections", "deque", {Value::tuple({chain})});
  EXPECT_TRUE(is_kept(chain));
}

TEST(SaveObjects, SparseParametersAndDevices) {
  SparseLeaf leaf;
  leaf.layout = "sparse_coo";
  leaf.indices = Array::from<std::int64_t>({0, 1}, {1, 2});
  leaf.values = Array::ones({2});
  leaf.size = {3};
  leaf.is_parameter = leaf.requires_grad = true;
  leaf.device = "cuda:1";
  Value value = leaf;
  value.set_attribute("note", 1);
  const Value back = saved(Value::list({value}), {.keep_device = true}).value().at(0);
  ASSERT_TRUE(back.is_sparse());
  EXPECT_TRUE(back.as_sparse().is_parameter && back.as_sparse().requires_grad);
  EXPECT_EQ(back.as_sparse().device, "cuda:1");
  EXPECT_EQ(back.attribute("note")->as_int(), 1);
  EXPECT_EQ(saved(Value::list({value}), {}).value().at(0).as_sparse().device, "cpu");
}

TEST(SaveObjects, DevicesThatHaveNoStorage) {
  TensorLeaf leaf;
  leaf.array = Array::from<float>({1, 2}, {2});
  leaf.device = "xla:0";
  leaf.requires_grad = true;
  const TensorLeaf kept = saved(Value(leaf), {.keep_device = true}).value().as_tensor();
  EXPECT_EQ(kept.device, "xla:0");
  EXPECT_TRUE(kept.requires_grad);
  EXPECT_TRUE(kept.array.same_bits(leaf.array));
  EXPECT_EQ(saved(Value(leaf), {}).value().as_tensor().device, "cpu");
  leaf.device = "meta";  // with data: it stays what it is
  EXPECT_EQ(saved(Value(leaf), {}).value().as_tensor().device, "meta");
}

}  // namespace
}  // namespace sconce::checkpoint
