#include "sconce/toolbox/repair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "sconce/state/repr.h"
#include "sconce/state/state_dict.h"
#include "sconce/toolbox/state_dict_place.h"
#include "toolbox/listing_of.h"

namespace sconce::toolbox {
namespace {

using checkpoint::Format;
using ::testing::ElementsAre;

Array numbers(std::initializer_list<float> values, const Shape& shape) {
  return Array::from<float>(values, shape);
}

StateDict fresh() {
  StateDict out;
  out.set("fc.weight", Array::zeros({2, 3}));
  out.set("fc.bias", Array::zeros({2}));
  out.set("bn.running_mean", Array::zeros({2}));
  out.set("bn.num_batches_tracked", Array::zeros({}, kInt64));
  out.set_version("", 1);
  out.set_version("fc", 1);
  out.set_version("bn", 2);
  return out;
}

StateDict trained() {
  StateDict out;
  out.set("module.fc.weight", numbers({1, 2, 3, 4, 5, 6}, {2, 3}));
  out.set("module.fc.bias", numbers({7, 8}, {2}));
  out.set("module.bn.running_mean", numbers({9, 10}, {2}));
  return out;
}

Value repaired(const Value& file, const Value& like, const ApplyOptions& options = {}) {
  const RepairPlan plan = plan_repair(listing_of(file), target_of(listing_of(like)));
  EXPECT_TRUE(plan.matching.is_complete());
  return apply_repair(file, plan, options).state;
}

TEST(Repair, GivesTheTargetsNamesInItsOrder) {
  const Value file = Value::dict(
      {{"state_dict", trained()},
       {"optimizer",
        Value::dict({{"state", Value::dict({{0, Array::zeros({2, 3})}})}, {"param_groups", Value::list()}})},
       {"epoch", 3}});
  const StateDict state = repaired(file, fresh()).as_state_dict();
  EXPECT_THAT(state.names(),
              ElementsAre("fc.weight", "fc.bias", "bn.running_mean", "bn.num_batches_tracked"));
  EXPECT_TRUE(state.at("fc.weight").array().same_bits(numbers({1, 2, 3, 4, 5, 6}, {2, 3})));
  EXPECT_EQ(state.at("bn.num_batches_tracked").array().item<std::int64_t>(), 0);
  EXPECT_EQ(state.version("bn"), 2);
}

TEST(Repair, VersionsAreThoseOfTheData) {
  StateDict old = trained();
  old.set_version("module.bn", 1);
  old.set_version("module.fc", 1);
  EXPECT_EQ(repaired(Value(old), fresh()).as_state_dict().version("bn"), 1);
  // A target without any takes what the file knows.
  StateDict bare = fresh();
  bare.set_metadata(std::nullopt);
  EXPECT_EQ(repaired(Value(old), bare).as_state_dict().version("bn"), 1);
  EXPECT_FALSE(repaired(trained(), bare).as_state_dict().metadata().has_value());
}

TEST(Repair, NothingToDo) {
  const Value file = fresh();
  const RepairPlan plan = plan_repair(listing_of(file), target_of(listing_of(file)));
  EXPECT_TRUE(plan.is_identity());
  EXPECT_FALSE(plan_repair(listing_of(trained()), target_of(listing_of(file))).is_identity());
}

TEST(Repair, ExtraTensorsGoUnlessTheyAreKept) {
  StateDict file = trained();
  file.set("module.aux.weight", Array::ones({5}));
  EXPECT_FALSE(repaired(Value(file), fresh()).contains("aux.weight"));
  EXPECT_TRUE(repaired(Value(file), fresh(), {.keep_extra = true}).contains("aux.weight"));
}

TEST(Repair, TheRestOfTheFileStaysWhenAsked) {
  const Value file = Value::dict({{"epoch", 3}, {"nets", Value::dict({{"a", trained()}})}});
  const Value whole = repaired(file, fresh(), {.whole = true});
  EXPECT_EQ(whole.at("epoch").as_int(), 3);
  EXPECT_TRUE(whole.at("nets").at("a").contains("fc.weight"));
  const Value scattered = Value::dict({{"a", Value::dict({{"fc.weight", Array::ones({2, 3})}})},
                                       {"b", Value::dict({{"fc.bias", Array::ones({2})}})}});
  RepairTarget target;
  target.keys = {{.name = "x", .shape = {2, 3}}, {.name = "y", .shape = {2}}};
  const RepairPlan plan =
      plan_repair(listing_of(scattered), target, {.map = {{"x", "a.fc.weight"}, {"y", "b.fc.bias"}}});
  EXPECT_TRUE(apply_repair(scattered, plan).state.contains("x"));
  EXPECT_ERROR(apply_repair(scattered, plan, {.whole = true}), ErrorCode::kUnsupported);
}

TEST(Repair, TransposedAndScalar) {
  const Value file = Value::dict({{"w", numbers({1, 2, 3, 4, 5, 6}, {2, 3})}, {"t", numbers({5}, {1})}});
  RepairTarget target;
  target.keys = {{.name = "w", .shape = {3, 2}}, {.name = "t", .shape = {}}};
  EXPECT_FALSE(plan_repair(listing_of(file), target).matching.is_complete());
  const RepairPlan plan = plan_repair(listing_of(file), target, {.allow_transpose = true});
  const Value state = apply_repair(file, plan).state;
  EXPECT_TRUE(state.at("w").as_array().same_bits(numbers({1, 4, 2, 5, 3, 6}, {3, 2})));
  EXPECT_TRUE(state.at("w").as_array().is_contiguous());
  EXPECT_EQ(state.at("t").as_array().rank(), 0U);
}

TEST(Repair, SharedMemoryStaysSharedAndPiecesComeAlone) {
  const Array whole = numbers({1, 2, 3, 4, 5, 6, 7, 8}, {8});
  const Value file = Value::dict({{"a", whole.narrow(0, 0, 2)}, {"b", whole.narrow(0, 0, 2)}});
  RepairTarget target;
  target.keys = {{.name = "a", .shape = {2}}, {.name = "b", .shape = {2}}};
  const Value both = apply_repair(file, plan_repair(listing_of(file), target)).state;
  EXPECT_TRUE(both.at("a").as_array().storage() == both.at("b").as_array().storage());
  target.keys.pop_back();
  const Value one = apply_repair(file, plan_repair(listing_of(file), target)).state;
  EXPECT_EQ(one.at("a").as_array().storage().size(), 8U);
}

TEST(Repair, TiedTargets) {
  const Array shared = Array::ones({4});
  const RepairTarget target = target_of(listing_of(Value::dict({{"enc", shared}, {"dec", shared}})));
  ASSERT_EQ(target.keys[1].tied_to, 0U);
  const Value file = Value::dict({{"enc", numbers({1, 2, 3, 4}, {4})}});
  const RepairPlan plan = plan_repair(listing_of(file, Format::kSafetensors), target);
  EXPECT_TRUE(plan.matching.is_complete());
  const Value state = apply_repair(file, plan).state;
  EXPECT_TRUE(state.at("enc").as_array().storage() == state.at("dec").as_array().storage());
}

TEST(Repair, AnotherFileThanWasListed) {
  const RepairPlan plan = plan_repair(listing_of(trained()), target_of(listing_of(fresh())));
  StateDict other = trained();
  other.set("module.fc.bias", Array::zeros({3}));
  EXPECT_ERROR(apply_repair(Value(other), plan), ErrorCode::kState);
}

TEST(Repair, WhichFilesKeepTheModelsOrder) {
  const Value state = fresh();
  EXPECT_TRUE(is_in_model_order(listing_of(state)));
  EXPECT_FALSE(is_in_model_order(listing_of(state, Format::kSafetensors)));
  EXPECT_FALSE(is_in_model_order(
      listing_of(Value::dict({{"a.bias", Array::ones({1})}, {"a.weight", Array::ones({1})}}))));
}

TEST(StateDictPlace, UsualContainersAndNames) {
  const Value inner = trained();
  const Value file =
      Value::dict({{"epoch", 1}, {"model", Value::dict({{"state_dict", inner}})}, {"ema", inner}});
  EXPECT_EQ(find_state_dict(file).name, "model.state_dict");
  EXPECT_EQ(find_state_dict(file, "ema").path.size(), 1U);
  EXPECT_EQ(find_state_dict(inner).name, "");
  EXPECT_ERROR(find_state_dict(file, "nothing"), ErrorCode::kNotFound);
  EXPECT_ERROR(find_state_dict(Value::dict({{"model", inner}, {"net", inner}})), ErrorCode::kUnsupported);
  EXPECT_ERROR(find_state_dict(Value::list({1})), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace sconce::toolbox
