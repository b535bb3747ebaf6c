#include "sconce/toolbox/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "sconce/checkpoint/named.h"
#include "sconce/state/repr.h"

namespace sconce::toolbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Array array(float value) { return Array::full({2}, value); }

Value metadata(std::initializer_list<const char*> modules) {
  Value out = Value::ordered_dict();
  for (const char* module : modules) out.set_item(module, Value::dict({{"version", 1}}));
  return out;
}

// A model under `module.` as DataParallel leaves it.
Value wrapped() {
  Value out = Value::ordered_dict(
      {{"module.conv.weight", array(1)}, {"module.conv.bias", array(2)}, {"module.0.fc.weight", array(3)}});
  out.set_attribute("_metadata",
                    metadata({"", "module", "module.conv", "module.relu", "module.0", "module.0.fc"}));
  return out;
}

Value checkpoint_tree() {
  const Value state = Value::dict({{0, Value::dict({{"step", 5}, {"momentum_buffer", array(7)}})}});
  const Value group = Value::dict({{"lr", 0.5}, {"params", Value::list({0})}});
  return Value::dict({{"model", wrapped()},
                      {"optimizer", Value::dict({{"state", state}, {"param_groups", Value::list({group})}})},
                      {"epoch", 3}});
}

std::vector<std::string> keys(const Value& dict) {
  std::vector<std::string> out;
  for (const auto& [key, value] : dict.items()) out.push_back(checkpoint::key_name(key));
  return out;
}

TEST(Convert, WithoutAnythingToDoTheValueComesBack) {
  const Value root = checkpoint_tree();
  EXPECT_TRUE(convert(root, {}).value.is(root));
}

TEST(Convert, FlatteningSaysWhichMetadataItLoses) {
  EXPECT_THAT(convert(checkpoint_tree(), {.flatten = true}).report.warnings, ElementsAre());
  Value root = checkpoint_tree();
  root.at("model").set_attribute(
      "_metadata", Value::dict({{"", Value::dict({{"version", 1}, {"spectral_norm", Value::dict()}})}}));
  EXPECT_THAT(convert(root, {.flatten = true}).report.warnings,
              ElementsAre(HasSubstr("_metadata of 1 state_dict:")));
  EXPECT_THAT(convert(root, {}).report.warnings, ElementsAre());
}

TEST(Convert, SelectionKeepsTheTreesShape) {
  const auto out = convert(checkpoint_tree(), {.select = {"optimizer.*", "*.bias"}, .exclude = {"*.lr"}});
  EXPECT_EQ(value_repr(out.value, {.elements = 99, .depth = 9}),
            "{'model': {'module.conv.bias': tensor(float32, (2,))}, 'optimizer': {'state': {0: {'step': 5, "
            "'momentum_buffer': tensor(float32, (2,))}}, 'param_groups': [{'params': [0]}]}}");
  EXPECT_TRUE(out.value.at("model").is_ordered_dict());
  EXPECT_THAT(out.report.deselected,
              UnorderedElementsAre("model.module.conv.weight", "model.module.0.fc.weight",
                                   "optimizer.param_groups.0.lr", "epoch"));
  EXPECT_EQ(out.report.tensors, 2U);
}

TEST(Convert, ElementsOfListsBecomeNone) {
  const Value root = Value::dict({{"x", Value::list({array(1), array(2), Value::tuple({array(3), 4})})}});
  const auto out = convert(root, {.select = {"x.1", "x.2.1"}});
  EXPECT_EQ(value_repr(out.value), "{'x': [None, tensor(float32, (2,)), (None, 4)]}");
}

TEST(Convert, PrefixesTakeMetadataAlong) {
  const auto out = convert(wrapped(), {.strip_prefix = "module."});
  EXPECT_THAT(keys(out.value), ElementsAre("conv.weight", "conv.bias", "0.fc.weight"));
  EXPECT_THAT(keys(*out.value.attribute("_metadata")), ElementsAre("", "conv", "relu", "0", "0.fc"));
  EXPECT_EQ(out.report.renamed, 3U);
  const auto back = convert(out.value, {.add_prefix = "net."});
  EXPECT_THAT(keys(back.value), ElementsAre("net.conv.weight", "net.conv.bias", "net.0.fc.weight"));
  EXPECT_THAT(keys(*back.value.attribute("_metadata")),
              ElementsAre("net", "net.conv", "net.relu", "net.0", "net.0.fc"));
}

TEST(Convert, RenamedModulesKeepTheirMetadata) {
  // The pattern needs the tensor's name, so only its tensors tell what became of the module.
  const auto out = convert(wrapped(), {.rename = {Rename::parse(R"(conv\.(weight|bias)$=stem.$1)")}});
  EXPECT_THAT(keys(out.value), ElementsAre("module.stem.weight", "module.stem.bias", "module.0.fc.weight"));
  EXPECT_THAT(keys(*out.value.attribute("_metadata")),
              ElementsAre("", "module", "module.stem", "module.relu", "module.0", "module.0.fc"));
}

TEST(Convert, NamesBelowALevelOfTheTree) {
  const auto stripped = convert(checkpoint_tree(), {.strip_prefix = "model.module."});
  EXPECT_THAT(keys(stripped.value),
              ElementsAre("conv.weight", "conv.bias", "0.fc.weight", "optimizer", "epoch"));
  const auto one_level = convert(checkpoint_tree(), {.strip_prefix = "model."});
  EXPECT_THAT(keys(one_level.value), ElementsAre("module.conv.weight", "module.conv.bias",
                                                 "module.0.fc.weight", "optimizer", "epoch"));
  const auto renamed = convert(checkpoint_tree(), {.rename = {Rename::parse("^model\\.=net.")}});
  EXPECT_THAT(keys(renamed.value), ElementsAre("net", "optimizer", "epoch"));
  EXPECT_THAT(keys(renamed.value.at("net")),
              ElementsAre("module.conv.weight", "module.conv.bias", "module.0.fc.weight"));
  EXPECT_TRUE(renamed.value.at("net").attribute("_metadata").has_value());
  const auto inner = convert(checkpoint_tree(), {.rename = {Rename::parse("module\\.=")}});
  EXPECT_THAT(keys(inner.value.at("model")), ElementsAre("conv.weight", "conv.bias", "0.fc.weight"));
  EXPECT_THAT(keys(*inner.value.at("model").attribute("_metadata")),
              ElementsAre("", "conv", "relu", "0", "0.fc"));
  EXPECT_TRUE(
      inner.value.at("optimizer").at("state").at(0).contains("momentum_buffer"));  // the key stays an int
  const auto prefixed = convert(checkpoint_tree(), {.add_prefix = "run1."});
  EXPECT_THAT(keys(prefixed.value), ElementsAre("run1.model", "run1.optimizer", "run1.epoch"));
}

TEST(Convert, CollisionsNameBoth) {
  const Value root = Value::dict({{"a.x", array(1)}, {"b.x", array(2)}});
  try {
    convert(root, {.rename = {Rename::parse("^[ab]\\.=")}});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kKeyMismatch);
    EXPECT_THAT(error.text(), AllOf(HasSubstr("'a.x'"), HasSubstr("'b.x'")));
  }
  EXPECT_ERROR(convert(root, {.rename = {Rename::parse("^[ab]\\.=")}, .flatten = true}),
               ErrorCode::kKeyMismatch);
  const Value clash = Value::dict({{"a", Value::dict({{"b", array(1)}})}, {"a.b", array(2)}});
  EXPECT_ERROR(convert(clash, {.flatten = true}), ErrorCode::kKeyMismatch);
  const Value below = Value::dict({{"a", array(1)}, {"b", Value::dict({{"c", array(2)}})}});
  EXPECT_ERROR(convert(below, {.rename = {Rename::parse("^b\\.=a.")}}), ErrorCode::kKeyMismatch);
  EXPECT_ERROR(convert(below, {.rename = {Rename::parse("^a$=b")}}), ErrorCode::kKeyMismatch);
}

TEST(Convert, RefusesWhatHasNoMeaning) {
  Value cyclic = Value::dict({{"a", array(1)}});
  cyclic.set_item("self", cyclic);
  EXPECT_ERROR(convert(cyclic, {.select = {"*"}}), ErrorCode::kUnsupported);
  const Value list = Value::list({array(1)});
  EXPECT_ERROR(convert(list, {.add_prefix = "x"}), ErrorCode::kUnsupported);
  EXPECT_ERROR(convert(wrapped(), {.select = {"nothing*"}}), ErrorCode::kNotFound);
  EXPECT_ERROR(convert(wrapped(), {.dtype = kInt8}), ErrorCode::kInvalidArgument);
}

TEST(Convert, ABareTensorCanGetAName) {
  const auto out = convert(Value(array(1)), {.add_prefix = "weight"});
  EXPECT_THAT(keys(out.value), ElementsAre("weight"));
}

TEST(Convert, FlattensAndSaysWhatHasNoPlace) {
  const auto out =
      convert(checkpoint_tree(),
              {.exclude = {"*.bias"}, .rename = {Rename::parse("^model\\.module\\.=")}, .flatten = true});
  EXPECT_THAT(keys(out.value),
              ElementsAre("conv.weight", "0.fc.weight", "optimizer.state.0.momentum_buffer"));
  std::vector<std::string> left;
  for (const auto& value : out.report.left_out) left.push_back(cat(value.name, ":", value.what));
  EXPECT_THAT(left, ElementsAre("optimizer.state.0.step:int", "optimizer.param_groups.0.lr:float",
                                "optimizer.param_groups.0.params:list", "epoch:int"));
  EXPECT_THAT(out.report.deselected, ElementsAre("model.module.conv.bias"));
}

TEST(Convert, WalksWithinItsLimits) {
  Value root = checkpoint_tree();
  for (int i = 0; i < 100; ++i) root.set_item(cat("n", i), i);
  ConvertOptions small{.flatten = true};
  small.walk.name_bytes = 2000;  // enough for the tensors
  EXPECT_ERROR(convert(root, small), ErrorCode::kLimit);
  ConvertOptions few{.add_prefix = "a."};
  few.walk.visits = 3;
  EXPECT_ERROR(convert(root, few), ErrorCode::kLimit);
}

TEST(Convert, TakesAPart) {
  const Value root = checkpoint_tree();
  EXPECT_TRUE(convert(root, {.state_dict = "model"}).value.is(root.at("model")));
  EXPECT_TRUE(take_part(root, "optimizer.state.0").is(root.at("optimizer").at("state").at(0)));
  EXPECT_TRUE(take_part(root, "optimizer.param_groups.0").is(root.at("optimizer").at("param_groups").at(0)));
  const Value dotted =
      Value::dict({{"a", Value::dict({{"x", 1}})}, {"a.b", Value::dict({{"c", Value::dict()}})}});
  EXPECT_TRUE(take_part(dotted, "a.b.c").is_dict());
  EXPECT_ERROR(take_part(root, "modell"), ErrorCode::kNotFound);
}

TEST(Convert, APrefixNobodyHasIsAWarning) {
  EXPECT_THAT(convert(wrapped(), {.strip_prefix = "modul."}).report.warnings,
              ElementsAre(HasSubstr("'modul.'")));
  EXPECT_THAT(convert(checkpoint_tree(), {.strip_prefix = "module."}).report.warnings,
              ElementsAre(HasSubstr("--state-dict")));
  EXPECT_THAT(convert(wrapped(), {.strip_prefix = "module."}).report.warnings, IsEmpty());
}

TEST(Convert, CastsFloatingTensorsOnly) {
  Value root = Value::dict({{"w", array(1.5F)},
                            {"n", Array::from({1, 2}, {2})},
                            {"c", Array::zeros({1}, kComplex64)},
                            {"inner", Value::list({array(2), 7})}});
  root.set_item("again", root.at("inner"));
  const auto out = convert(root, {.dtype = kBFloat16});
  EXPECT_EQ(out.value.at("w").as_array().dtype(), kBFloat16);
  EXPECT_THAT(out.value.at("w").as_array().to_vector<float>(), ElementsAre(1.5F, 1.5F));
  EXPECT_EQ(out.value.at("n").as_array().dtype(), kInt32);
  EXPECT_EQ(out.value.at("c").as_array().dtype(), kComplex64);
  EXPECT_EQ(out.value.at("inner").at(0).as_array().dtype(), kBFloat16);
  EXPECT_TRUE(out.value.at("inner").is(out.value.at("again")));
  EXPECT_EQ(out.report.cast, 2U);
  EXPECT_EQ(root.at("w").as_array().dtype(), kFloat32);
}

TEST(Convert, CastKeepsViewsViews) {
  const Array base = Array::from<float>({0, 1, 2, 3, 4, 5}, {2, 3});
  const Value root =
      Value::dict({{"base", base}, {"column", base.select(1, 2)}, {"turned", base.transpose(0, 1)}});
  const auto out = convert(root, {.dtype = kFloat64});
  const Array& whole = out.value.at("base").as_array();
  const Array& column = out.value.at("column").as_array();
  EXPECT_EQ(whole.storage(), column.storage());
  EXPECT_EQ(column.geometry(), base.select(1, 2).geometry());
  EXPECT_THAT(column.to_vector<double>(), ElementsAre(2, 5));
  EXPECT_THAT(out.value.at("turned").as_array().to_vector<double>(), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_EQ(out.report.casts.size(), 1U);
}

TEST(Convert, CastReachesParametersAttributesSparseAndCycles) {
  TensorLeaf leaf;
  leaf.array = array(1);
  leaf.requires_grad = leaf.is_parameter = true;
  Value parameter(std::move(leaf));
  parameter.set_attribute("tag", Value("x"));
  SparseLeaf sparse;
  sparse.layout = "sparse_coo";
  sparse.indices = Array::from<std::int64_t>({0, 1}, {1, 2});
  sparse.values = array(2);
  sparse.size = {4};
  Value root = Value::dict({{"p", parameter}, {"s", Value(std::move(sparse))}});
  root.set_item("self", root);
  const auto out = convert(root, {.dtype = kFloat16});
  EXPECT_TRUE(out.value.at("p").as_tensor().is_parameter);
  EXPECT_EQ(out.value.at("p").attribute("tag")->as_string(), "x");
  EXPECT_EQ(out.value.at("s").as_sparse().values.dtype(), kFloat16);
  EXPECT_EQ(out.value.at("s").as_sparse().indices.dtype(), kInt64);
  EXPECT_TRUE(out.value.at("self").is(out.value));
}

TEST(Convert, OverflowIsCounted) {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Value root = Value::dict({{"w", Array::from<float>({1e5F, -1e5F, 65504, inf, nan, 1}, {6})}});
  const auto count = [&](DType dtype) {
    const auto out = convert(root, {.dtype = dtype});
    out.value.at("w").as_array().raw();
    const std::uint64_t first = *out.report.casts.at(0).overflowed;
    out.value.at("w").as_array().storage().release();
    out.value.at("w").as_array().raw();
    EXPECT_EQ(*out.report.casts.at(0).overflowed, first);  // not counted twice
    return first;
  };
  EXPECT_EQ(count(kFloat16), 2U);
  EXPECT_EQ(count(kBFloat16), 0U);
  EXPECT_EQ(count(kFloat64), 0U);
  EXPECT_EQ(count(kFloat8E5M2), 3U);
  EXPECT_EQ(count(kFloat8E4M3FN), 3U);  // which saturates instead
}

TEST(Convert, WordsForDTypes) {
  EXPECT_EQ(floating_dtype_from("bf16"), kBFloat16);
  EXPECT_EQ(floating_dtype_from("half"), kFloat16);
  EXPECT_EQ(floating_dtype_from("torch.float64"), kFloat64);
  EXPECT_EQ(floating_dtype_from("f8_e4m3fn"), kFloat8E4M3FN);
  EXPECT_EQ(floating_dtype_from("int8"), std::nullopt);
  EXPECT_EQ(floating_dtype_from("f33"), std::nullopt);
}

}  // namespace
}  // namespace sconce::toolbox
