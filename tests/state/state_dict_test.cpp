#include "sconce/state/state_dict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"

namespace sconce {
namespace {

using ::testing::ElementsAre;

StateDict small() {
  StateDict out;
  out.set("conv.weight", Array::zeros({2, 3}));
  out.set("conv.bias", Array::zeros({2}));
  out.set("fc.weight", Array::zeros({4}));
  out.set_version("", 1);
  out.set_version("conv", 1);
  out.set_version("fc", 2);
  return out;
}

std::vector<std::string> modules(const StateDict& state) {
  std::vector<std::string> out;
  for (const auto& [module, entry] : *state.metadata()) out.push_back(module);
  return out;
}

TEST(StateDict, KeepsOrderAndReplacesInPlace) {
  StateDict state = small();
  state.set("conv.bias", Array::ones({5}));
  EXPECT_THAT(state.names(), ElementsAre("conv.weight", "conv.bias", "fc.weight"));
  EXPECT_EQ(state.at("conv.bias").shape(), (Shape{5}));
  EXPECT_EQ(state.size(), 3U);
  EXPECT_EQ(state.find("nothing"), nullptr);
}

TEST(StateDict, ErasingKeepsTheRestInReach) {
  StateDict state = small();
  EXPECT_TRUE(state.erase("conv.weight"));
  EXPECT_FALSE(state.erase("conv.weight"));
  EXPECT_THAT(state.names(), ElementsAre("conv.bias", "fc.weight"));
  EXPECT_EQ(state.at("fc.weight").shape(), (Shape{4}));
  state.set("new", Array::zeros({}));
  EXPECT_EQ(state.at("new").shape(), (Shape{}));
}

TEST(StateDict, AMissingNameSuggestsTheNearest) {
  try {
    small().at("conv.wieght");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.text(), ::testing::HasSubstr("'conv.weight'"));
  }
  EXPECT_ERROR(StateDict().at("x"), ErrorCode::kNotFound);
  const StateDict with_extra = [] {
    StateDict out;
    out.set("e", StateValue::extra(1));
    return out;
  }();
  EXPECT_ERROR(with_extra.at("e").array(), ErrorCode::kDTypeMismatch);
}

TEST(StateDict, PrefixesCarryTheMetadataAlong) {
  const StateDict wrapped = small().with_prefix("module.");
  EXPECT_THAT(wrapped.names(), ElementsAre("module.conv.weight", "module.conv.bias", "module.fc.weight"));
  EXPECT_THAT(modules(wrapped), ElementsAre("module", "module.conv", "module.fc"));

  StateDict from_data_parallel = wrapped;
  from_data_parallel.metadata()->insert(from_data_parallel.metadata()->begin(),
                                        {"", Value::dict({{"version", 1}})});
  const StateDict stripped = from_data_parallel.strip_prefix("module.");
  EXPECT_THAT(stripped.names(), ElementsAre("conv.weight", "conv.bias", "fc.weight"));
  EXPECT_THAT(modules(stripped), ElementsAre("", "conv", "fc"));
  EXPECT_EQ(stripped.version("fc"), 2);

  const StateDict under = small().under_prefix("conv.");
  EXPECT_THAT(under.names(), ElementsAre("weight", "bias"));
  EXPECT_THAT(modules(under), ElementsAre(""));
}

TEST(StateDict, StrippingLeavesOtherNamesAlone) {
  StateDict state;
  state.set("module.a", Array::zeros({1}));
  state.set("modulex", Array::zeros({1}));
  EXPECT_THAT(state.strip_prefix("module.").names(), ElementsAre("a", "modulex"));
}

TEST(StateDict, NamesMayNotFallTogether) {
  StateDict state;
  state.set("module.a", Array::zeros({1}));
  state.set("a", Array::zeros({1}));
  EXPECT_ERROR(state.strip_prefix("module."), ErrorCode::kKeyMismatch);
  EXPECT_ERROR(state.rename([](std::string_view) { return std::string("x"); }), ErrorCode::kKeyMismatch);
}

TEST(StateDict, Filter) {
  const StateDict weights = small().filter([](std::string_view name) { return name.ends_with("weight"); });
  EXPECT_THAT(weights.names(), ElementsAre("conv.weight", "fc.weight"));
  EXPECT_TRUE(weights.metadata().has_value());
}

TEST(StateDict, Versions) {
  StateDict state;
  EXPECT_EQ(state.version(""), std::nullopt);
  state.set_version("bn", 1);
  state.set_version("bn", 2);
  EXPECT_EQ(state.version("bn"), 2);
  EXPECT_EQ(state.version("other"), std::nullopt);
  EXPECT_EQ(state.metadata()->size(), 1U);
}

TEST(NearestName, PrefersSharedComponentsThenSmallDistance) {
  const std::vector<std::string> names = {"layer1.conv.weight", "layer1.fc.weight", "bias"};
  EXPECT_EQ(nearest_name("module.layer1.fc.weight", names), "layer1.fc.weight");
  EXPECT_EQ(nearest_name("layer1.cnov.weight", names), "layer1.conv.weight");
  EXPECT_EQ(nearest_name("biass", names), "bias");
  EXPECT_EQ(nearest_name("optimizer", names), std::nullopt);
  EXPECT_EQ(nearest_name("x", {}), std::nullopt);
}

}  // namespace
}  // namespace sconce
