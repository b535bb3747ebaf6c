#include "sconce/checkpoint/recover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "checkpoint/value_builders.h"
#include "codec/codec_test_util.h"
#include "sconce/checkpoint/listing.h"
#include "sconce/checkpoint/load.h"
#include "sconce/checkpoint/objects.h"
#include "sconce/checkpoint/save.h"
#include "sconce/state/state_dict.h"

namespace sconce::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Array kOne = Array::ones({1});

std::vector<std::string> keys_of(const Value& dict) {
  std::vector<std::string> out;
  for (const auto& [key, value] : dict.items()) out.push_back(key.as_string());
  return out;
}

Value linear(const Value& weight = parameter_of(kOne)) {
  return module_of({.parameters = Value::ordered_dict({{"weight", weight}, {"bias", nullptr}})});
}

TEST(Recover, NamesOrderAndWhatIsLeftOut) {
  const Value inner = linear();
  const Value net =
      module_of({.owner = "__main__",
                 .name = "Net",
                 .parameters = Value::dict({{"a", parameter_of(kOne)}, {"none", nullptr}}),
                 .buffers = Value::dict({{"scratch", kOne}, {"kept", kOne}, {"nothing", nullptr}}),
                 .modules = Value::dict({{"x", inner}, {"gone", nullptr}, {"y", inner}}),
                 .more = {{"_non_persistent_buffers_set", Value::set({"scratch"})}, {"plain", kOne}}});
  ASSERT_TRUE(is_module(net));
  const Recovery recovery = recover_modules(net);
  EXPECT_TRUE(recovery.value.is_ordered_dict());
  EXPECT_THAT(keys_of(recovery.value), ElementsAre("a", "kept", "x.weight", "y.weight"));
  EXPECT_THAT(recovery.notes, IsEmpty());
  const StateDict state = recovery.value.as_state_dict();
  ASSERT_TRUE(state.metadata());
  ASSERT_EQ(state.metadata()->size(), 3u);
  EXPECT_EQ((*state.metadata())[2].first, "y");
  EXPECT_EQ(state.version("x"), 1);
  // Tied parameters share memory and are tensors of their own, without gradient.
  const TensorLeaf& leaf = recovery.value.at("x.weight").as_tensor();
  EXPECT_FALSE(leaf.requires_grad || leaf.is_parameter);
  EXPECT_EQ(leaf.array.storage(), recovery.value.at("y.weight").as_array().storage());
  EXPECT_FALSE(recovery.value.at("x.weight").is(recovery.value.at("y.weight")));
}

TEST(Recover, ListsOfNamesAndOldStates) {
  const Value list = module_of({.buffers = Value::dict({{"a", kOne}, {"b", kOne}}),
                                .more = {{"_non_persistent_buffers_set", Value::list({"a"})}}});
  EXPECT_THAT(keys_of(recover_modules(list).value), ElementsAre("b"));
  // (attributes, slots)
  const Value state = Value::dict({{"_parameters", Value::dict({{"w", kOne}})}, {"_modules", Value::dict()}});
  const Value slots = with_state(Value::object(ObjectKind::kNew, Value::global("m", "C"), Value::tuple()),
                                 Value::tuple({state, Value::dict()}));
  EXPECT_THAT(keys_of(recover_modules(slots).value), ElementsAre("w"));
}

TEST(Recover, WhatIsNoModule) {
  EXPECT_FALSE(is_module(1));
  EXPECT_FALSE(is_module(Value::dict({{"_parameters", 1}, {"_modules", 2}})));
  EXPECT_FALSE(is_module(Value::global("torch.nn.modules.linear", "Linear")));
  EXPECT_FALSE(is_module(with_state(call("m", "C"), Value::dict({{"_parameters", Value::dict()}}))));
  const Value tree = Value::dict({{"a", Value::list({1, kOne})}});
  EXPECT_TRUE(recover_modules(tree).value.is(tree));  // nothing to do, nothing is made anew
}

TEST(Recover, AtAnyDepthWithSharingAndCycles) {
  const Value net = linear();
  Value shared = Value::list({1});
  Value root =
      Value::dict({{"net", net}, {"again", Value::tuple({net, shared})}, {"shared", shared}, {"n", 3}});
  root.set_attribute("_metadata", Value::dict({{"m", net}}));
  root.set_item("self", root);
  const Value out = recover_modules(root).value;
  EXPECT_FALSE(out.is(root));
  EXPECT_TRUE(root.at("net").is_object());  // the original is as it was
  EXPECT_TRUE(out.at("net").is_ordered_dict());
  EXPECT_TRUE(out.at("net").is(out.at("again").at(0)));
  EXPECT_TRUE(out.at("shared").is(out.at("again").at(1)));
  EXPECT_TRUE(out.at("self").is(out));
  EXPECT_TRUE(out.attribute("_metadata")->at("m").is(out.at("net")));
  // Inside other objects modules stay where they are.
  const Value holder = with_state(call("m", "Holder"), Value::dict({{"net", net}}));
  EXPECT_TRUE(recover_modules(Value::list({holder, net})).value.at(0).is(holder));
}

TEST(Recover, VersionsOfNorms) {
  const auto version = [](const ModuleParts& parts) {
    return recover_modules(module_of(parts)).value.as_state_dict().version("");
  };
  const Value full = Value::dict({{"running_mean", kOne}, {"num_batches_tracked", kOne}});
  const Value old = Value::dict({{"running_mean", kOne}});
  const Value none = Value::dict({{"running_mean", nullptr}, {"num_batches_tracked", nullptr}});
  const std::vector<Value::Pair> tracks = {{"track_running_stats", true}};
  const std::string norms = "torch.nn.modules.batchnorm";
  EXPECT_EQ(version({.owner = norms, .name = "BatchNorm2d", .buffers = full, .more = tracks}), 2);
  EXPECT_EQ(version({.owner = norms, .name = "BatchNorm2d", .buffers = none, .more = tracks}), 2);
  // Version 2 would promise a num_batches_tracked that modules before 0.4.1 lack.
  EXPECT_EQ(version({.owner = norms, .name = "BatchNorm2d", .buffers = old, .more = tracks}), 1);
  EXPECT_EQ(version({.owner = "mine", .name = "Norm", .buffers = full, .more = tracks}), 2);
  EXPECT_EQ(version({.owner = "mine", .name = "Norm", .buffers = full}), 1);
  EXPECT_EQ(version({.owner = "torch.ao.nn.quantized.dynamic.modules.linear", .name = "Linear"}), 4);
  EXPECT_EQ(version({.owner = "torch.nn.quantized.dynamic.modules.rnn", .name = "GRUCell"}), 1);
  EXPECT_EQ(version({.owner = "torchvision.models.mnasnet", .name = "MNASNet"}), 2);
  EXPECT_EQ(version({.owner = "mine", .name = "Net", .more = {{"_version", 3}}}), 3);
  EXPECT_EQ(version({.owner = "evil.torch.nn.modules.batchnorm", .name = "BatchNorm2d"}), 1);
}

TEST(Recover, NotesSayWhatCouldNotBeFound) {
  const Value lazy = call("torch.nn.parameter", "UninitializedParameter", {true});
  const Value odd = with_state(call("m", "Odd"), Value::tuple({1, 2, 3}));
  const Value packed = call("torch", "ScriptObject");
  const Value net =
      module_of({.parameters = Value::dict({{"p", lazy}, {"q", lazy}, {"bad", 5}}),
                 .modules = Value::dict({{"odd", odd}, {"packed", module_of({.more = {{"w", packed}}})}}),
                 .more = {{"_state_dict_hooks", Value::dict({{0, call("m", "Hook")}})}}});
  const Recovery recovery = recover_modules(net);
  EXPECT_EQ(recovery.value.size(), 0u);
  EXPECT_THAT(recovery.notes, ElementsAre(HasSubstr("hook"), HasSubstr("'p' and 1 more"), HasSubstr("'bad'"),
                                          HasSubstr("m.Odd"), HasSubstr("custom state")));
  Value custom = module_of({});
  custom.add_object_state(5);
  EXPECT_THAT(recover_modules(custom).notes, ElementsAre(HasSubstr("custom state")));
}

TEST(Recover, CyclesAndBombsAreErrors) {
  Value modules = Value::dict();
  const Value net = module_of({.modules = modules});
  modules.set_item("inner", net);
  EXPECT_ERROR(recover_modules(net), ErrorCode::kCorrupt);
  EXPECT_ERROR(module_state(net), ErrorCode::kCorrupt);
  EXPECT_ERROR(named_arrays(net), ErrorCode::kCorrupt);

  Value twice = linear();
  for (int i = 0; i < 60; ++i) twice = module_of({.modules = Value::dict({{"a", twice}, {"b", twice}})});
  EXPECT_ERROR(module_state(twice, {.visits = 1000}), ErrorCode::kLimit);
  EXPECT_ERROR(module_state(twice, {.name_bytes = 1000}), ErrorCode::kLimit);
  EXPECT_ERROR(named_arrays(twice, {.visits = 1000}), ErrorCode::kLimit);
  Value deep = linear();
  for (int i = 0; i < 2000; ++i) deep = module_of({.modules = Value::dict({{"a", deep}})});
  EXPECT_ERROR(module_state(deep), ErrorCode::kLimit);
}

TEST(Recover, NamesAndPathsAreThoseOfTheStateDict) {
  const Value root =
      Value::dict({{"net", module_of({.modules = Value::dict({{"0", linear()}, {"1", linear()}})})}});
  const auto arrays = named_arrays(root);
  const auto recovered = named_arrays(recover_modules(root).value);
  ASSERT_EQ(arrays.size(), 2u);
  ASSERT_EQ(recovered.size(), 2u);
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    EXPECT_EQ(arrays[i].name, recovered[i].name);
    EXPECT_EQ(arrays[i].path.size(), 2u);
    EXPECT_EQ(arrays[i].path.back().as_string(), recovered[i].path.back().as_string());
  }
  EXPECT_EQ(arrays[1].name, "net.1.weight");
  EXPECT_THAT(named_scalars(root), IsEmpty());
  std::vector<std::string> objects;
  for (const NamedLeaf& leaf : named_objects(root)) objects.push_back(leaf.name);
  EXPECT_THAT(objects, ElementsAre("net", "net.0", "net.1"));
}

TEST(Recover, FilesOfEveryVersion) {
  for (const char* name : {"mod_17.pt", "mod_113.pt", "mod_26.pt"}) {
    const std::string path = testing::golden_path(cat("formats/zip/", name));
    const Recovery recovery = recover_modules(load(path));
    EXPECT_THAT(keys_of(recovery.value),
                ElementsAre("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
                            "1.num_batches_tracked"))
        << name;
    EXPECT_EQ(recovery.value.as_state_dict().version("1"), 2) << name;
    EXPECT_THAT(recovery.notes, IsEmpty()) << name;
    const Listing listing = describe(path);
    ASSERT_EQ(listing.tensors.size(), 7u) << name;
    for (std::size_t i = 0; i < 7; ++i) {
      EXPECT_EQ(listing.tensors[i].name, keys_of(recovery.value)[i]);
      EXPECT_TRUE(listing.read(i).same_bits(recovery.value.at(listing.tensors[i].name).as_array()));
    }
    EXPECT_EQ(listing.objects.size(), 3u) << name;  // the Sequential and what is in it
  }
}

TEST(Recover, MetaParametersStayOnMeta) {
  MetaTensor meta{kFloat32, Geometry::contiguous({2, 3}), true, true};
  const Recovery recovery =
      recover_modules(module_of({.parameters = Value::dict({{"w", meta_value(meta)}})}));
  const auto out = meta_tensor(recovery.value.at("w"));
  ASSERT_TRUE(out);
  EXPECT_FALSE(out->requires_grad || out->is_parameter);
  EXPECT_EQ(out->geometry, meta.geometry);
}

}  // namespace
}  // namespace sconce::checkpoint
