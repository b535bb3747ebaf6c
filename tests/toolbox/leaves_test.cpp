#include "sconce/toolbox/leaves.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "sconce/state/repr.h"

namespace sconce::toolbox {
namespace {

std::vector<std::string> lines(const Value& root) {
  std::vector<std::string> out;
  for_each_leaf(root, {}, [&](const checkpoint::NamedLeaf& leaf) {
    out.push_back(cat(leaf.name, "=", value_repr(leaf.value), "@", leaf.path.size()));
  });
  return out;
}

TEST(Leaves, AreNamedByTheirPath) {
  const Value group =
      Value::dict({{"lr", 0.1}, {"betas", Value::tuple({0.9, 0.999})}, {"params", Value::list({0, 1})}});
  const Value root = Value::dict({{"epoch", 3},
                                  {"optimizer", Value::dict({{"state", Value::dict({{0, Array::zeros({2})}})},
                                                             {"param_groups", Value::list({group})}})},
                                  {"empty", Value::dict()}});
  EXPECT_THAT(lines(root), ::testing::ElementsAre("epoch=3@1", "optimizer.state.0=tensor(float32, (2,))@3",
                                                  "optimizer.param_groups.0.lr=0.1@4",
                                                  "optimizer.param_groups.0.betas=(0.9, 0.999)@4",
                                                  "optimizer.param_groups.0.params=[0, 1]@4", "empty={}@1"));
}

TEST(Leaves, ABareValueHasNoName) { EXPECT_THAT(lines(Value("x")), ::testing::ElementsAre("='x'@0")); }

TEST(Leaves, CyclesEnd) {
  Value root = Value::dict({{"a", 1}});
  root.set_item("self", root);
  EXPECT_EQ(lines(root).size(), 2U);
}

// A pickled module whose state has one parameter, and within it those of `modules`.
Value module_of(const Value& modules) {
  Value out = Value::object(ObjectKind::kNew, Value::global("m", "Net"), Value::tuple());
  out.add_object_state(
      Value::dict({{"_parameters", Value::dict({{"w", Array::zeros({2})}})}, {"_modules", modules}}));
  return out;
}

TEST(Leaves, AModuleCountsAsItsStateDict) {
  const Value net = module_of(Value::dict({{"0", module_of(Value::dict())}}));
  EXPECT_THAT(lines(Value::list({net, 5})), ::testing::ElementsAre("0.w=tensor(float32, (2,))@2",
                                                                   "0.0.w=tensor(float32, (2,))@2", "1=5@1"));
  Value modules = Value::dict();
  const Value cycle = module_of(modules);
  modules.set_item("inner", cycle);
  EXPECT_ERROR(lines(cycle), ErrorCode::kCorrupt);
}

TEST(Leaves, ObjectsInListsAreLeavesOfTheirOwn) {
  EXPECT_THAT(lines(Value::list({Value::global("m", "f"), 5})), ::testing::ElementsAre("0=<m.f>@1", "1=5@1"));
}

TEST(Leaves, KeepToTheLimits) {
  const Value root = Value::dict({{"a", 1}, {"b", Value::dict({{"c", 2}})}});
  const auto walk = [&root](const checkpoint::NamedLimits& limits) {
    for_each_leaf(root, limits, [](const checkpoint::NamedLeaf&) {});
  };
  walk({.visits = 4});
  EXPECT_ERROR(walk({.visits = 3}), ErrorCode::kLimit);
  EXPECT_ERROR(walk({.name_bytes = 10}), ErrorCode::kLimit);
}

TEST(Leaves, ErrorsNameTheListedFile) {
  checkpoint::Listing listing;
  listing.path = "net.pt";
  listing.tree = Value::list({Value::list({Value::list({1})})});
  listing.walk.visits = 2;
  try {
    for_each_leaf(listing, [](const checkpoint::NamedLeaf&) {});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kLimit);
    EXPECT_EQ(error.path(), "net.pt");
    EXPECT_EQ(error.limit(), "values");
  }
}

}  // namespace
}  // namespace sconce::toolbox
