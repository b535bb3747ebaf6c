#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sconce/state/value.h"

namespace sconce {
namespace {

TEST(ValueParts, EntriesVanishAndPlacesBecomeNone) {
  const Value gone(Array::zeros({1}));
  const auto is_gone = [&](const Value& part) { return part.is(gone); };
  Value list = Value::list({1, gone, 3});
  EXPECT_TRUE(list.drop_parts(is_gone));
  EXPECT_TRUE(list.at(1).is_none());
  EXPECT_EQ(list.at(2).as_int(), 3);
  EXPECT_FALSE(list.drop_parts(is_gone));

  Value tuple = Value::tuple({gone, gone});
  EXPECT_TRUE(tuple.drop_parts(is_gone));
  EXPECT_EQ(tuple.size(), 2u);
  EXPECT_TRUE(tuple.at(0).is_none() && tuple.at(1).is_none());

  Value object = Value::object(ObjectKind::kReduce, Value::global("m", "n"), Value::tuple({gone, 1}));
  object.add_object_element(gone);
  object.add_object_item("a", gone);
  object.add_object_item("b", 2);
  object.add_object_state(gone);
  object.set_attribute("x", gone);
  EXPECT_TRUE(object.drop_parts(is_gone));
  EXPECT_TRUE(object.object_elements().at(0).is_none());
  EXPECT_TRUE(object.object_states().at(0).is_none());
  ASSERT_EQ(object.object_items().size(), 1u);
  EXPECT_EQ(object.object_items().front().first.as_string(), "b");
  EXPECT_TRUE(object.attributes().empty());
  EXPECT_TRUE(object.object_args().at(0).is(gone));  // a part of a part stays
}

// A dict finds its keys by an index from some size on.
TEST(ValueParts, DictsKeepTheirOrderAndFindTheirKeys) {
  const Value gone(Array::zeros({1}));
  for (const int size : {4, 16, 17, 40}) {
    Value dict = Value::dict();
    for (int i = 0; i < size; ++i) dict.set_item(i, i % 3 == 1 ? gone : Value(10 * i));
    EXPECT_TRUE(dict.drop_parts([&](const Value& part) { return part.is(gone); }));
    std::vector<std::int64_t> keys;
    for (const auto& [key, value] : dict.items()) keys.push_back(key.as_int());
    for (int i = 0; i < size; ++i) {
      EXPECT_EQ(dict.contains(i), i % 3 != 1) << i;
      if (i % 3 != 1) {
        EXPECT_EQ(dict.at(i).as_int(), 10 * i);
      }
    }
    EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
    dict.set_item(1, 5);
    dict.set_item(0, 6);
    EXPECT_EQ(dict.at(1).as_int(), 5);
    EXPECT_EQ(dict.at(0).as_int(), 6);
    EXPECT_EQ(dict.items().back().first.as_int(), 1);
  }
}

TEST(ValueParts, SetsLoseMembers) {
  const Value gone("x");
  Value set = Value::set({gone, Value(), "y"});
  EXPECT_TRUE(set.drop_parts([&](const Value& part) { return part.is(gone); }));
  EXPECT_EQ(set.size(), 2u);
  set.append("x");
  EXPECT_EQ(set.size(), 3u);
  set.append("y");
  EXPECT_EQ(set.size(), 3u);
}

TEST(ValueParts, PartsAreWhatIsDirectlyBelow) {
  Value dict = Value::dict({{"a", 1}, {"b", Value::list({2, 3})}});
  dict.set_attribute("c", 4);
  const auto parts = dict.parts();
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].as_int(), 1);
  EXPECT_EQ(parts[1].size(), 2u);
  EXPECT_EQ(parts[2].as_int(), 4);
  EXPECT_TRUE(Value(7).parts().empty());
}

}  // namespace
}  // namespace sconce
