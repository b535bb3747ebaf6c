#include "sconce/checkpoint/listing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "sconce/checkpoint/named.h"
#include "sconce/checkpoint/save.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> names_of(const Value& value) {
  std::vector<std::string> out;
  for (const NamedLeaf& leaf : named_arrays(value)) out.push_back(leaf.name);
  return out;
}

TEST(Named, KeysJoinedWithDots) {
  const Array a = Array::ones({1});
  EXPECT_THAT(names_of(a), ElementsAre(""));
  EXPECT_THAT(names_of(Value::dict({{"model", Value::dict({{"conv1.weight", a}})},
                                    {"state", Value::dict({{0, Value::list({a, 5, a})}})},
                                    {true, Value::tuple({a})}})),
              ElementsAre("model.conv1.weight", "state.0.0", "state.0.2", "True.0"));
}

TEST(Named, EqualNamesHaveDifferentPaths) {
  const Array a = Array::ones({1});
  const auto leaves = named_arrays(Value::dict({{"a.b", a}, {"a", Value::dict({{"b", a}})}}));
  ASSERT_EQ(leaves.size(), 2u);
  EXPECT_EQ(leaves[0].name, leaves[1].name);
  EXPECT_EQ(leaves[0].path.size(), 1u);
  EXPECT_EQ(leaves[1].path.size(), 2u);
}

TEST(Named, CyclesEndAndBombsAreRefused) {
  Value cycle = Value::list({Array::ones({1})});
  cycle.append(cycle);
  EXPECT_THAT(names_of(cycle), ElementsAre("0"));
  Value bomb = Value::tuple({Array::ones({1}), 1});
  Value empty = Value::tuple({1, 1});
  for (int i = 0; i < 60; ++i) {
    bomb = Value::tuple({bomb, bomb});
    empty = Value::tuple({empty, empty});
  }
  EXPECT_ERROR(named_arrays(bomb, {.visits = 1000}), ErrorCode::kLimit);
  EXPECT_TRUE(named_arrays(empty, {.visits = 1000}).empty());  // what is shared is looked into once
}

TEST(Listing, NamesAreBounded) {
  MemorySink sink;
  save(sink, Value::list({Array::ones({1}), Array::ones({2}), Array::ones({3})}));
  EXPECT_EQ(describe(sink.bytes()).tensors.size(), 3u);
  LoadOptions options;
  options.walk.name_bytes = 2 * sizeof(NamedLeaf);
  EXPECT_ERROR(describe(sink.bytes(), options), ErrorCode::kLimit);
}

TEST(Named, WhatHoldsItselfIsLookedIntoOnce) {
  Value inner = Value::list();
  inner.append(inner);
  Value chain = inner;
  for (int i = 0; i < 60; ++i) chain = Value::list({chain, chain});
  EXPECT_TRUE(named_arrays(chain, {.visits = 1000}).empty());
  Value around = Value::list();
  chain = around;
  for (int i = 0; i < 60; ++i) chain = Value::list({chain, chain});
  around.append(chain);
  around.append(chain);
  EXPECT_TRUE(named_arrays(around, {.visits = 1000}).empty());
  around.append(Array::ones({1}));
  EXPECT_THAT(names_of(around), ElementsAre("2"));
}

TEST(Named, WhatACycleHidesIsFoundFromOutside) {
  // b holds nothing but a; within a that is nothing, beside a it is the tensor of a.
  Value a = Value::list();
  const Value b = Value::list({a});
  a.append(b);
  a.append(Array::ones({1}));
  EXPECT_THAT(names_of(Value::list({a, b})), ElementsAre("0.1", "1.0.1"));
  EXPECT_THAT(names_of(Value::list({Value::list({a}), b})), ElementsAre("0.0.1", "1.0.1"));
}

TEST(Listing, DescribesWithoutReading) {
  const Array base = Array::from<float>({0, 1, 2, 3, 4, 5}, {2, 3});
  TensorLeaf leaf;
  leaf.array = base.transpose(0, 1);
  leaf.requires_grad = true;
  const Value value = Value::dict({{"a", base},
                                   {"b", leaf},
                                   {"epoch", 3},
                                   {"size", Value::object(ObjectKind::kReduce, Value::global("torch", "Size"),
                                                          Value::tuple({Value::tuple({1})}))}});
  MemorySink sink;
  save(sink, value);
  auto bytes = sink.bytes();
  Listing listing = describe(bytes);
  ASSERT_EQ(listing.tensors.size(), 2u);
  const TensorInfo& view = listing.tensors[1];
  EXPECT_EQ(view.name, "b");
  EXPECT_EQ(view.geometry.strides, (Strides{1, 3}));
  EXPECT_EQ(view.alias_of, 0u);
  EXPECT_EQ(view.bytes(), 24u);
  EXPECT_TRUE(view.requires_grad);
  EXPECT_EQ(view.file_offset % 64, 0u);
  EXPECT_EQ(view.record, "archive/data/0");
  EXPECT_EQ(listing.tree.at("epoch").as_int(), 3);
  EXPECT_FALSE(listing.tree.at("a").as_array().defined());
  EXPECT_TRUE(listing.objects.empty());  // torch.Size stands in many a state_dict
  EXPECT_TRUE(listing.read(1).same_bits(leaf.array));
  bytes[view.file_offset] ^= std::byte{1};
  listing = describe(bytes);  // the damage is in the tensor, which is not looked at
  EXPECT_ERROR(listing.read(0), ErrorCode::kChecksum);
}

}  // namespace
}  // namespace sconce::checkpoint
