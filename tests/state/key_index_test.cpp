// Dicts of many keys of every kind against a plain search.
#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/error_matcher.h"
#include "sconce/state/value.h"

namespace sconce {
namespace {

// Few enough that many are drawn twice, in every form that Python calls equal.
Value draw_key(std::mt19937& random) {
  const int number = static_cast<int>(random() % 120);
  switch (random() % 6) {
    case 0:
      return number;
    case 1:
      return static_cast<double>(number);
    case 2:
      return number + 0.5;
    case 3:
      return std::to_string(number);
    case 4: {
      const std::string digits = std::to_string(number);
      return Value::bytes(std::as_bytes(std::span(digits)));
    }
    default:
      return Value::tuple({number, std::to_string(number % 7)});
  }
}

class KeyIndex : public ::testing::TestWithParam<std::size_t> {};

// With room made before the first entry and without.
INSTANTIATE_TEST_SUITE_P(Room, KeyIndex, ::testing::Values(0, 5, 1000));

TEST_P(KeyIndex, ManyKeysAreWhatASearchFinds) {
  std::mt19937 random(7);
  Value dict = Value::dict();
  dict.reserve(GetParam());
  std::vector<std::pair<Value, int>> plain;  // small dicts are searched, so that each comparison is one
  const auto place_of = [&](const Value& key) {
    for (std::size_t i = 0; i < plain.size(); ++i) {
      if (Value::dict({{plain[i].first, Value()}}).contains(key)) return i;
    }
    return plain.size();
  };
  for (int i = 0; i < 700; ++i) {
    const Value key = draw_key(random);
    const std::size_t at = place_of(key);
    ASSERT_EQ(dict.contains(key), at < plain.size()) << i;
    dict.set_item(key, i);
    if (at < plain.size()) {
      plain[at].second = i;
    } else {
      plain.emplace_back(key, i);
    }
  }
  ASSERT_EQ(dict.size(), plain.size());
  const auto items = dict.items();
  for (std::size_t i = 0; i < plain.size(); ++i) {
    EXPECT_EQ(items[i].second.as_int(), plain[i].second);
    EXPECT_EQ(dict.find(plain[i].first)->as_int(), plain[i].second);
  }
}

TEST(Reserve, IsForContainersAndChangesNothing) {
  Value dict = Value::dict();
  for (int i = 0; i < 10; ++i) dict.set_item(i, i);  // so few have no index yet
  dict.reserve(100);
  for (int i = 5; i < 60; ++i) dict.set_item(i, -i);
  ASSERT_EQ(dict.size(), 60U);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(dict.at(i).as_int(), i < 5 ? i : -i);
  Value list = Value::list({1, 2});
  list.reserve(50);
  EXPECT_EQ(list.size(), 2U);
  EXPECT_ERROR(Value(3).reserve(2), ErrorCode::kDTypeMismatch);
}

}  // namespace
}  // namespace sconce
