#include "sconce/toolbox/same_value.h"

#include <gtest/gtest.h>

#include <cmath>

namespace sconce::toolbox {
namespace {

TEST(SameValue, KindsCount) {
  EXPECT_TRUE(same_value(3, 3));
  EXPECT_FALSE(same_value(3, 4));
  EXPECT_FALSE(same_value(3, 3.0));
  EXPECT_FALSE(same_value(1, true));
  EXPECT_TRUE(same_value("a", "a"));
  EXPECT_FALSE(same_value("1", 1));
  EXPECT_TRUE(same_value(Value(), Value()));
  EXPECT_FALSE(same_value(Value::list({1}), Value::tuple({1})));
  EXPECT_FALSE(same_value(Value::set({1}), Value::set({1}, true)));
  EXPECT_TRUE(same_value(Value::dict({{"a", 1}, {"b", 2}}), Value::ordered_dict({{"b", 2}, {"a", 1}})));
  EXPECT_FALSE(same_value(Value::dict({{"a", 1}}), Value::dict({{"a", 1}, {"b", 2}})));
  EXPECT_FALSE(same_value(Value::dict({{"a", 1}}), Value::dict({{"b", 1}})));
  EXPECT_TRUE(same_value(Value::set({1, "x"}), Value::set({"x", 1})));
  EXPECT_FALSE(same_value(Value::set({1, "x"}), Value::set({"y", 1})));
  const std::array<std::byte, 1> data{std::byte{7}};
  EXPECT_TRUE(same_value(Value::bytes(data), Value::bytes(data)));
  EXPECT_FALSE(same_value(Value::bytes(data), Value::bytes(data, true)));
  EXPECT_FALSE(same_value(Value::list({1, 2}), Value::list({1, 2, 3})));
}

TEST(SameValue, FloatsByBitsOrWithinTolerance) {
  EXPECT_TRUE(same_value(NAN, NAN));
  EXPECT_FALSE(same_value(0.0, -0.0));
  EXPECT_TRUE(same_value(0.0, -0.0, Tolerance{}));
  EXPECT_FALSE(same_value(0.1, 0.1001));
  EXPECT_TRUE(same_value(Value::list({0.1, "x"}), Value::list({0.1001, "x"}), Tolerance{0, 1e-3}));
  EXPECT_FALSE(same_value(Value::list({0.1, "x"}), Value::list({0.1001, "y"}), Tolerance{0, 1e-3}));
  EXPECT_TRUE(same_value(3, 3.0, Tolerance{}));
  EXPECT_FALSE(same_value(true, 1.0, Tolerance{0, 5}));
  EXPECT_TRUE(same_value(std::complex<double>(1, 2), std::complex<double>(1, 2.1), Tolerance{0, 0.2}));
}

TEST(SameValue, TensorsAndObjects) {
  EXPECT_TRUE(same_value(Array(), Array()));
  EXPECT_FALSE(same_value(Array(), Array::zeros({1})));
  EXPECT_TRUE(same_value(Array::ones({2}), Array::ones({2})));
  EXPECT_FALSE(same_value(Array::ones({2}), Array::ones({2}, kFloat64)));
  const auto size = [](int n) {
    return Value::object(ObjectKind::kReduce, Value::global("torch", "Size"),
                         Value::tuple({Value::tuple({n})}));
  };
  EXPECT_TRUE(same_value(size(1), size(1)));
  EXPECT_FALSE(same_value(size(1), size(2)));
  EXPECT_FALSE(same_value(Value::global("a", "b"), Value::global("a", "c")));
  Value with_state = size(1);
  with_state.add_object_state(Value::dict({{"x", 1}}));
  EXPECT_FALSE(same_value(with_state, size(1)));
  EXPECT_FALSE(same_value(Value::set({size(1)}), Value::set({size(2)})));
}

TEST(SameValue, CyclesAndDeepNestingEnd) {
  Value a = Value::list({1});
  a.append(a);
  Value b = Value::list({1});
  b.append(b);
  EXPECT_TRUE(same_value(a, b));
  b.append(2);
  EXPECT_FALSE(same_value(a, b));
  Value deep = Value::list({1});
  Value other = Value::list({2});
  for (int i = 0; i < 200'000; ++i) {
    deep = Value::list({deep});
    other = Value::list({other});
  }
  EXPECT_TRUE(same_value(deep, deep));
  EXPECT_FALSE(same_value(deep, other));
}

}  // namespace
}  // namespace sconce::toolbox
