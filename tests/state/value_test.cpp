#include "sconce/state/value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>

#include "base/error_matcher.h"
#include "sconce/state/state_dict.h"

namespace sconce {
namespace {

using ::testing::ElementsAre;

TEST(Value, LiteralsMeanWhatTheyLookLike) {
  EXPECT_TRUE(Value().is_none());
  EXPECT_TRUE(Value(nullptr).is_none());
  EXPECT_TRUE(Value(true).is_bool());
  EXPECT_TRUE(Value(3).is_int());
  EXPECT_TRUE(Value(std::size_t{3}).is_int());
  EXPECT_TRUE(Value(2.5F).is_float());
  EXPECT_TRUE(Value("text").is_string());  // not a bool
  EXPECT_TRUE(Value(std::string("text")).is_string());
  EXPECT_TRUE(Value(std::complex<double>(1, 2)).is_complex());
  EXPECT_TRUE(Value(Array::zeros({2})).is_array());
  EXPECT_EQ(Value::dict({{"n", 3}}).at("n").as_int(), 3);
  EXPECT_TRUE(Value::list({"n", 3}).is_list());
}

TEST(Value, IntsOfAnySize) {
  EXPECT_EQ(Value(std::numeric_limits<std::int64_t>::min()).as_int(),
            std::numeric_limits<std::int64_t>::min());
  const Value big(std::numeric_limits<std::uint64_t>::max());
  EXPECT_TRUE(big.is_big_int());
  EXPECT_EQ(big.int_bytes().size(), 9U);
  EXPECT_ERROR(big.as_int(), ErrorCode::kOverflow);
  const std::vector<std::byte> minus_two(12, std::byte{0xFF});
  auto bytes = minus_two;
  bytes[0] = std::byte{0xFE};
  const Value small = ValueArena().integer(bytes);
  EXPECT_FALSE(small.is_big_int());
  EXPECT_EQ(small.as_int(), -2);
  EXPECT_EQ(ValueArena().integer(std::span<const std::byte>{}).as_int(), 0);
  // 2^63 needs its ninth byte: without it the number would be negative.
  std::vector<std::byte> edge(9, std::byte{0});
  edge[7] = std::byte{0x80};
  EXPECT_TRUE(ValueArena().integer(edge).is_big_int());
}

TEST(Value, WrongKindsAreErrors) {
  EXPECT_ERROR(Value(3).as_string(), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(Value("3").as_int(), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(Value(true).as_int(), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(Value(3).at(0), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(Value(3).size(), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(Value::list().as_state_dict(), ErrorCode::kDTypeMismatch);
  try {
    Value::list().as_state_dict();
  } catch (const Error& error) {
    EXPECT_EQ(error.text(), "Expected state_dict to be dict-like, got <class 'list'>.");
  }
  EXPECT_ERROR(Value::dict({{3, Array::zeros({1})}}).as_state_dict(), ErrorCode::kDTypeMismatch);
  Value list = Value::list();
  EXPECT_ERROR(list.set_item("a", 1), ErrorCode::kDTypeMismatch);
  Value dict = Value::dict();
  EXPECT_ERROR(dict.append(1), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(dict.set_item(list, 1), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(dict.set_item(Value::dict(), 1), ErrorCode::kDTypeMismatch);
  EXPECT_DOUBLE_EQ(Value(3).as_float(), 3.0);
}

TEST(Value, SequencesIndexFromBothEnds) {
  const Value list = Value::list({1, "b", 3.0});
  EXPECT_EQ(list.size(), 3U);
  EXPECT_EQ(list.at(0).as_int(), 1);
  EXPECT_DOUBLE_EQ(list.at(-1).as_float(), 3.0);
  EXPECT_ERROR(list.at(3), ErrorCode::kIndexOutOfRange);
  EXPECT_ERROR(list.at(-4), ErrorCode::kIndexOutOfRange);
}

TEST(Value, DictsKeepOrderAndCompareKeysAsPython) {
  Value dict = Value::dict({{"b", 1}, {"a", 2}, {0, 3}});
  dict.set_item("b", 9);  // keeps its place
  std::vector<std::string> order;
  for (const auto& [key, value] : dict.items()) order.push_back(key.is_string() ? key.as_string() : "0");
  EXPECT_THAT(order, ElementsAre("b", "a", "0"));
  EXPECT_EQ(dict.at("b").as_int(), 9);
  EXPECT_EQ(dict.at(0).as_int(), 3);
  EXPECT_TRUE(dict.contains(false));  // 0 == 0.0 == False
  EXPECT_TRUE(dict.contains(0.0));
  EXPECT_TRUE(dict.contains(-0.0));
  EXPECT_FALSE(dict.contains("0"));
  EXPECT_FALSE(dict.contains(0.5));
  EXPECT_FALSE(dict.contains(nullptr));
  dict.set_item(Value::tuple({1, "x"}), 4);
  EXPECT_TRUE(dict.contains(Value::tuple({1.0, "x"})));
  EXPECT_FALSE(dict.contains(Value::tuple({1})));
  try {
    dict.at("missing");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.text(), ::testing::HasSubstr("'b', 'a', 0"));
  }
}

TEST(Value, LargeDictsStayFastAndRight) {
  Value dict = Value::dict();
  for (int i = 0; i < 100000; ++i) dict.set_item(cat("key", i), i);
  for (int i = 0; i < 100000; i += 777) dict.set_item(cat("key", i), -i);
  EXPECT_EQ(dict.size(), 100000U);
  EXPECT_EQ(dict.at("key777").as_int(), -777);
  EXPECT_EQ(dict.at("key778").as_int(), 778);
}

TEST(Value, HandlesShareNodes) {
  Value inner = Value::list();
  const Value outer = Value::dict({{"a", inner}, {"b", inner}});
  inner.append(5);
  EXPECT_EQ(outer.at("a").at(0).as_int(), 5);
  EXPECT_TRUE(outer.at("a").is(outer.at("b")));
  EXPECT_FALSE(outer.at("a").is(outer));
}

TEST(Value, CyclesAndJoinedGraphsAreFreed) {
  // The leak checker of the address sanitizer is the judge.
  Value a = Value::list();
  Value b = Value::list();
  a.append(b);
  b.append(a);
  a.append(a);
  EXPECT_TRUE(a.at(0).at(0).is(a));
  EXPECT_EQ(a.at(1).size(), 2U);
}

TEST(Value, DeepNestingNeedsNoStack) {
  Value value = Value::list();
  for (int i = 0; i < 1000000; ++i) {
    Value outer = Value::list();
    outer.append(value);
    value = outer;
  }
  EXPECT_EQ(value.size(), 1U);
}

TEST(Value, TakingAPartKeepsItAlive) {
  Value part;
  {
    const Value whole = Value::dict({{"x", Value::list({1, 2})}});
    part = whole.at("x");
  }
  EXPECT_EQ(part.at(1).as_int(), 2);
}

TEST(Value, RandomJoinsKeepEveryElement) {
  std::mt19937 random(7);
  std::vector<Value> lists;
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 300; ++i) {
    lists.push_back(Value::list({i}));
    sizes.push_back(1);
  }
  for (int step = 0; step < 3000; ++step) {
    const std::size_t to = random() % lists.size();
    lists[to].append(lists[random() % lists.size()]);
    ++sizes[to];
  }
  for (std::size_t i = 0; i < lists.size(); ++i) {
    EXPECT_EQ(lists[i].size(), sizes[i]);
    EXPECT_EQ(lists[i].at(0).as_int(), static_cast<std::int64_t>(i));
  }
}

TEST(Value, LargeSetsStayFast) {
  Value set = Value::set();
  for (int i = 0; i < 200000; ++i) set.append(i % 100000);
  EXPECT_EQ(set.size(), 100000U);
}

TEST(Value, SetsDropEqualMembers) {
  const Value set = Value::set({1, 1.0, true, "a"});
  EXPECT_EQ(set.size(), 2U);
  EXPECT_ERROR(Value::set({Value::list()}), ErrorCode::kDTypeMismatch);
  EXPECT_TRUE(Value::set({Value::set({1}, true)}).elements()[0].is_frozen());
}

TEST(Value, AttributesAndObjects) {
  Value dict = Value::ordered_dict();
  dict.set_attribute("_metadata", 1);
  dict.set_attribute("_metadata", 2);
  EXPECT_EQ(dict.attribute("_metadata")->as_int(), 2);
  EXPECT_FALSE(dict.attribute("other").has_value());
  EXPECT_EQ(dict.attributes().size(), 1U);

  Value object = Value::object(ObjectKind::kReduce, Value::global("os", "system"), Value::tuple({"rm"}));
  object.add_object_element(1);
  object.add_object_item("k", 2);
  object.add_object_state(Value::dict({{"s", 3}}));
  EXPECT_EQ(object.global_module(), "os");
  EXPECT_EQ(object.global_name(), "system");
  EXPECT_EQ(object.object_args().at(0).as_string(), "rm");
  EXPECT_EQ(object.object_elements().size(), 1U);
  EXPECT_EQ(object.object_items()[0].second.as_int(), 2);
  EXPECT_EQ(object.object_states()[0].at("s").as_int(), 3);
  EXPECT_EQ(object.object_callable().object_kind(), ObjectKind::kGlobal);
  EXPECT_ERROR(Value(3).object_args(), ErrorCode::kDTypeMismatch);
}

// As in Python, where NaN is equal to nothing and only the same object is the same key.
TEST(Value, EveryNaNIsAKeyOfItsOwn) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Value first = nan;
  Value dict = Value::dict({{first, 1}, {nan, 2}, {Value::tuple({nan}), 3}, {Value::tuple({nan}), 4}});
  EXPECT_EQ(dict.size(), 4u);
  dict.set_item(first, 5);
  EXPECT_EQ(dict.size(), 4u);
  EXPECT_EQ(dict.find(first)->as_int(), 5);
  EXPECT_FALSE(dict.contains(nan));
  EXPECT_EQ(Value::set({nan, nan}).size(), 2u);
}

TEST(Value, StateDictsGoInAndComeOut) {
  StateDict state;
  state.set("fc.weight", Array::from<float>({1, 2, 3, 4}, {2, 2}));
  state.set("fc._extra_state", StateValue::extra(Value::dict({{"calls", 4}})));
  state.set_version("", 1);
  state.set_version("fc", 2);
  const Value value = state;
  EXPECT_TRUE(value.is_ordered_dict());
  const StateDict back = value.as_state_dict();
  EXPECT_THAT(back.names(), ElementsAre("fc.weight", "fc._extra_state"));
  EXPECT_TRUE(back.at("fc.weight").array().storage() == state.at("fc.weight").array().storage());
  EXPECT_EQ(back.at("fc._extra_state").to_value().at("calls").as_int(), 4);
  EXPECT_EQ(back.version("fc"), 2);

  EXPECT_FALSE(Value::dict().as_state_dict().metadata().has_value());
  TensorLeaf storage;
  storage.array = Array::zeros({2});
  storage.bare_storage = BareStorage::kTyped;
  EXPECT_FALSE(Value::dict({{"s", storage}}).as_state_dict().at("s").is_array());
  StateDict without_modules;
  without_modules.set_metadata(StateDict::Metadata{});
  EXPECT_TRUE(Value(without_modules).as_state_dict().metadata().has_value());
}

TEST(Value, IterationOverATemporaryIsSafe) {
  StateDict state;
  state.set("a", Array::zeros({2, 3}));
  const Value file = Value::dict({{"model", state}});
  std::size_t count = 0;
  for (const auto& [name, value] : file.at("model").as_state_dict()) {
    EXPECT_EQ(value.shape(), (Shape{2, 3}));
    ++count;
  }
  EXPECT_EQ(count, 1U);
}

}  // namespace
}  // namespace sconce
