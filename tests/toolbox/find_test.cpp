#include "sconce/toolbox/find.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"

namespace sconce::toolbox {
namespace {

Value tree() {
  return Value::dict({{"model", Value::dict({{"conv.weight", Array::zeros({2})}})},
                      {"lr", Value::list({0.1, 0.2})},
                      {"epoch", 3}});
}

TEST(Find, LeavesAndContainers) {
  const Value root = tree();
  EXPECT_TRUE(find_named(root, "model.conv.weight").at(0).value.is_array());
  EXPECT_EQ(find_named(root, "epoch").at(0).value.as_int(), 3);
  EXPECT_EQ(find_named(root, "lr.1").at(0).value.as_float(), 0.2);
  EXPECT_TRUE(find_named(root, "model").at(0).value.is(root.at("model")));
  EXPECT_TRUE(find_named(root, "").at(0).value.is(root));
  EXPECT_TRUE(find_named(Value(Array::zeros({1})), "").at(0).value.is_array());
}

TEST(Find, TwoOfOneNameAreBothFound) {
  const Value root =
      Value::dict({{"a", Value::dict({{"b", Array::zeros({1})}})}, {"a.b", Array::zeros({2})}});
  EXPECT_EQ(find_named(root, "a.b").size(), 2U);
}

TEST(Find, WhatListsHoldInObjectsToo) {
  Value object = Value::object(ObjectKind::kNew, Value::global("m", "C"), Value::tuple());
  object.add_object_state(Value::dict({{"layers", Value::list({4, 2})}}));
  const Value root = Value::dict({{"args", object}});
  EXPECT_EQ(find_named(root, "args.layers.1").at(0).value.as_int(), 2);
  EXPECT_ERROR(find_named(root, "args.layers.2"), ErrorCode::kNotFound);
}

TEST(Find, ADottedKeyBesideAValueOfItsFirstPart) {
  const Value part = Value::dict({{"x", Value::dict({{"y", 1}})}});
  const Value root = Value::dict({{"a", 3}, {"a.b", part}});
  EXPECT_TRUE(find_named(root, "a.b").at(0).value.is(part));
}

TEST(Find, OtherNamesAreNotGoneThroughForATensor) {
  Value root = Value::dict({{"w", Array::zeros({1})}});
  for (int i = 0; i < 100; ++i) root.set_item(cat("epoch", i), i);
  const checkpoint::NamedLimits few{.name_bytes = 1000};
  EXPECT_EQ(find_named(root, "w", few).size(), 1U);
  EXPECT_ERROR(find_named(root, "epoch7", few), ErrorCode::kLimit);
}

TEST(Find, AWrongNameNamesTheNearest) {
  try {
    find_named(tree(), "model.conv.wieght");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.text(), ::testing::HasSubstr("'model.conv.weight'"));
  }
  EXPECT_ERROR(find_named(Value::dict(), "x"), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sconce::toolbox
