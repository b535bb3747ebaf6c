#include "sconce/checkpoint/plain_sequences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/error_matcher.h"
#include "sconce/checkpoint/named.h"
#include "sconce/core/array.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Value numbers(int count) {
  Value out = Value::list();
  for (int i = 0; i < count; ++i) out.append(i);
  return out;
}

std::vector<std::string> scalar_names(const Value& root) {
  std::vector<std::string> out;
  for (const NamedLeaf& leaf : named_scalars(root)) out.push_back(leaf.name);
  return out;
}

TEST(PlainSequences, HoldPlainValuesOnly) {
  PlainSequences is_plain;
  EXPECT_TRUE(is_plain(Value::list({1, "two", 3.0, Value(), true})));
  EXPECT_TRUE(is_plain(Value::tuple({Value::list(), Value::dict()})));
  EXPECT_TRUE(is_plain(numbers(1000)));
  for (const Value& other :
       {Value(1), Value::list(), Value::dict({{"a", 1}}), Value::list({Value::list({1})}),
        Value::list({Value::dict({{"a", 1}})}), Value::list({Array::ones({1})})}) {
    EXPECT_FALSE(is_plain(other));
  }
  Value mixed = numbers(1000);
  mixed.append(Array::ones({1}));
  EXPECT_FALSE(is_plain(mixed));
  EXPECT_FALSE(is_plain(mixed));  // as it was known to be
}

TEST(PlainSequences, AreOneLeafOfAWalk) {
  const Value root = Value::dict({{"w", Array::ones({1})}, {"ids", numbers(1000)}});
  EXPECT_EQ(named_arrays(root, {.visits = 5}).size(), 1u);
  EXPECT_THAT(scalar_names(root), ElementsAre("ids"));
  EXPECT_THAT(scalar_names(Value::list({numbers(2), Array::ones({1}), Value::list()})), ElementsAre("0"));
  EXPECT_THAT(scalar_names(Value::dict({{"empty", Value::list()}})), IsEmpty());
}

// Looked through at each place, this would be four thousand million elements.
TEST(PlainSequences, AreLookedThroughOnce) {
  const Value list = numbers(200'000);
  Value root = Value::list();
  for (int i = 0; i < 20'000; ++i) root.append(list);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(named_scalars(root).size(), 20'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

}  // namespace
}  // namespace sconce::checkpoint
