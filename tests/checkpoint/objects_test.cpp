#include "sconce/checkpoint/objects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error_matcher.h"
#include "checkpoint/value_builders.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;

template <class T>
Value bytes_of(std::initializer_list<T> numbers) {
  return Value::bytes(std::as_bytes(std::span<const T>(numbers.begin(), numbers.size())));
}

Value floats(std::size_t count) { return Value::bytes(std::vector<std::byte>(4 * count)); }

TEST(NumpyArray, NumbersInEitherSpellingAndOrder) {
  const Value data = bytes_of<float>({0, 1, 2, 3, 4, 5});
  for (const char* package : {"numpy.core", "numpy._core"}) {
    const auto array =
        numpy_array(numpy_array_of(numpy_dtype_of("f4"), Value::tuple({2, 3}), data, false, package));
    ASSERT_TRUE(array) << package;
    EXPECT_EQ(array->dtype(), kFloat32);
    EXPECT_EQ(array->shape(), (Shape{2, 3}));
    EXPECT_THAT(array->to_vector<float>(), ElementsAre(0, 1, 2, 3, 4, 5));
  }
  EXPECT_FALSE(
      numpy_array(numpy_array_of(numpy_dtype_of("f4"), Value::tuple({2, 3}), data, false, "evil.core")));
  const auto fortran = numpy_array(numpy_array_of(numpy_dtype_of("f4"), Value::tuple({2, 3}), data, true));
  ASSERT_TRUE(fortran);
  EXPECT_THAT(fortran->to_vector<float>(), ElementsAre(0, 2, 4, 1, 3, 5));
  const auto big = numpy_array(
      numpy_array_of(numpy_dtype_of("i2", ">"), Value::tuple({2}), bytes_of<std::uint8_t>({0, 1, 1, 0})));
  ASSERT_TRUE(big);
  EXPECT_THAT(big->to_vector<std::int16_t>(), ElementsAre(1, 256));
  EXPECT_TRUE(numpy_array(numpy_array_of(numpy_dtype_of("f4"), Value::tuple({0, 3}), Value::bytes({}))));
  EXPECT_EQ(numpy_array(numpy_array_of(numpy_dtype_of("f4"), Value::tuple(), floats(1)))->rank(), 0u);
}

TEST(NumpyArray, ScalarsAndBuffers) {
  const auto scalar =
      numpy_array(call("numpy.core.multiarray", "scalar", {numpy_dtype_of("f8"), bytes_of<double>({0.5})}));
  ASSERT_TRUE(scalar);
  EXPECT_EQ(scalar->item<double>(), 0.5);
  const auto buffer = [](std::string_view order) {
    return numpy_array(
        call("numpy._core.numeric", "_frombuffer",
             {bytes_of<std::uint8_t>({1, 2, 3, 4}), numpy_dtype_of("u1", "|"), Value::tuple({2, 2}), order}));
  };
  EXPECT_THAT(buffer("C")->to_vector<int>(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(buffer("F")->to_vector<int>(), ElementsAre(1, 3, 2, 4));
  EXPECT_FALSE(buffer("K"));
}

TEST(NumpyArray, PythonTwoText) {
  // Python 2 wrote bytes as str, which reads as text where it is valid UTF-8.
  EXPECT_TRUE(numpy_array(numpy_array_of(numpy_dtype_of("u1", "|"), Value::tuple({2}), "ab")));
  EXPECT_FALSE(numpy_array(numpy_array_of(numpy_dtype_of("u1", "|"), Value::tuple({3}), "ab")));
}

TEST(NumpyArray, WhatNumpyDoesNotWriteIsNone) {
  const Value f4 = numpy_dtype_of("f4");
  const auto is_array = [&](const Value& dtype, const Value& shape, const Value& data) {
    return numpy_array(numpy_array_of(dtype, shape, data)).has_value();
  };
  EXPECT_TRUE(is_array(f4, Value::tuple({2}), floats(2)));
  EXPECT_FALSE(is_array(f4, Value::tuple({3}), floats(2)));
  EXPECT_FALSE(is_array(f4, Value::tuple({1}), floats(2)));
  EXPECT_FALSE(is_array(f4, Value::tuple({-1}), floats(1)));
  EXPECT_FALSE(is_array(f4, Value::tuple({std::int64_t{1} << 62, std::int64_t{1} << 62, 0}), floats(0)));
  EXPECT_FALSE(is_array(f4, Value::list({2}), floats(2)));
  EXPECT_FALSE(is_array(f4, Value::tuple({"2"}), floats(2)));
  EXPECT_FALSE(is_array("f4", Value::tuple({2}), floats(2)));
  EXPECT_FALSE(is_array(f4, Value::tuple({2}), Value::list({1, 2})));
  EXPECT_FALSE(is_array(numpy_dtype_of("f5"), Value::tuple({1}), floats(1)));
  EXPECT_FALSE(is_array(numpy_dtype_of("f4", "!"), Value::tuple({1}), floats(1)));
  EXPECT_FALSE(is_array(numpy_dtype_of("f99999999999"), Value::tuple({1}), floats(1)));
  EXPECT_FALSE(is_array(numpy_dtype_of("U1"), Value::tuple({1}), floats(1)));
  for (const Value& value :
       {Value(1), Value("numpy"), Value::global("numpy", "ndarray"), call("numpy", "dtype"),
        call("numpy.core.multiarray", "_reconstruct"), call("numpy.core.multiarray", "scalar", {1, 2}),
        call("numpy.ma.core", "_mareconstruct"), call("numpy._core.numeric", "_frombuffer", {1})}) {
    EXPECT_FALSE(numpy_array(value));
    EXPECT_FALSE(is_understood(value));
  }
}

TEST(MetaTensor, ComesBackFromItsObject) {
  MetaTensor meta{kInt64, {{2, 3}, {1, 2}, 0}, false, false};
  auto back = meta_tensor(meta_value(meta));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->dtype, kInt64);
  EXPECT_EQ(back->geometry, meta.geometry);
  EXPECT_FALSE(back->requires_grad || back->is_parameter);
  meta.is_parameter = meta.requires_grad = true;
  back = meta_tensor(meta_value(meta));
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->requires_grad && back->is_parameter);
}

TEST(MetaTensor, MalformedOnesAreNone) {
  const auto is_meta = [](std::initializer_list<Value> args) {
    return meta_tensor(call("torch._utils", "_rebuild_meta_tensor_no_storage", args)).has_value();
  };
  const Value f4 = Value::global("torch", "float32");
  const Value two = Value::tuple({2});
  EXPECT_TRUE(is_meta({f4, two, two, false}));
  EXPECT_FALSE(is_meta({f4, two, two}));
  EXPECT_FALSE(is_meta({Value::global("os", "system"), two, two, false}));
  EXPECT_FALSE(is_meta({Value::global("torch", "load"), two, two, false}));
  EXPECT_FALSE(is_meta({f4, two, Value::tuple(), false}));
  EXPECT_FALSE(is_meta({f4, Value::tuple({-2}), two, false}));
  EXPECT_FALSE(is_meta({f4, Value::tuple({"2"}), two, false}));
  EXPECT_FALSE(is_meta({f4, two, two, 1}));
  const std::int64_t wide = std::int64_t{1} << 62;
  EXPECT_FALSE(is_meta({f4, Value::tuple({wide, 2}), Value::tuple({wide, 1}), false}));
  EXPECT_FALSE(meta_tensor(call("torch._utils", "_rebuild_parameter", {1, true})));
  EXPECT_FALSE(meta_tensor(call("torch._utils", "_rebuild_parameter")));
}

TEST(ValueText, SaysWhatIsInside) {
  EXPECT_EQ(value_text(numpy_array_of(numpy_dtype_of("f4"), Value::tuple({2}), floats(2))),
            "numpy.ndarray float32 (2,)");
  EXPECT_EQ(value_text(call("numpy.core.multiarray", "scalar",
                            {numpy_dtype_of("i8"), bytes_of<std::int64_t>({-3})})),
            "numpy.int64 -3");
  EXPECT_EQ(value_text(numpy_dtype_of("f8")), "numpy.dtype float64");
  EXPECT_EQ(value_text(meta_value({kFloat16, Geometry::contiguous({2}), false, false})),
            "meta tensor float16 (2,)");
  EXPECT_EQ(value_text(call("torch._utils", "_rebuild_nested_tensor", {Array(), Array(), Array(), Array()})),
            "nested tensor");
  EXPECT_FALSE(is_understood(call("torch._utils", "_rebuild_nested_tensor", {1, 2, 3, 4})));
  EXPECT_EQ(value_text(call("torch", "Size", {Value::tuple({2, 3})})), "torch.Size (2, 3)");
  EXPECT_EQ(value_text(call("torch", "device", {"cuda", 1})), "torch.device cuda:1");
  EXPECT_EQ(value_text(Value::global("torch", "bfloat16")), "torch.bfloat16");
  EXPECT_EQ(value_text(5), "5");
}

}  // namespace
}  // namespace sconce::checkpoint
