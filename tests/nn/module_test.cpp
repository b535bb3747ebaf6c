// What a module says it is made of: names, order, metadata, modes, text.
#include "sconce/nn/module.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

#include "base/error_matcher.h"
#include "sconce/nn/nn.h"
#include "sconce/tensor/factory.h"

namespace sconce::nn {
namespace {

using testing::ElementsAre;

std::vector<std::string> names_of(const std::vector<std::pair<std::string, Tensor>>& named) {
  std::vector<std::string> out;
  for (const auto& [name, tensor] : named) out.push_back(name);
  return out;
}

// The prefixes of _metadata with their versions.
std::vector<std::string> metadata_of(const StateDict& state) {
  std::vector<std::string> out;
  for (const auto& [prefix, entry] : state.metadata().value()) {
    out.push_back(cat(prefix, ":", entry.at("version").as_int()));
  }
  return out;
}

struct Block : Layer {
  Linear fc{2, 2};
  Parameter scale{ones({1})};  // listed after a child, yet first in the state_dict
  Buffer seen{zeros({1})};
  Buffer scratch{zeros({1}), false};
  ReLU act;
  SCONCE_MODULE(fc, scale, seen, scratch, act)
  Tensor forward(const Tensor& x) override { return act(fc(x)) * scale; }
};

struct Everything : Module {
  std::vector<Linear> layers;
  std::array<Parameter, 3> pair{Parameter(zeros({1})), Parameter(), Parameter(zeros({2, 3}))};
  std::optional<Block> maybe;
  std::optional<Linear> absent;
  std::unique_ptr<Layer> any = std::make_unique<Linear>(2, 1, LinearOptions{.bias = false});
  std::unique_ptr<Layer> none;
  std::vector<std::unique_ptr<Layer>> mixed;
  std::vector<Dropout> empty_list;
  Parameter private_looking_{zeros({1})};
  SCONCE_MODULE(layers, pair, maybe, absent, any, none, mixed, empty_list, private_looking_)

  Everything() {
    layers.emplace_back(1, 1);
    layers.emplace_back(1, 1, LinearOptions{.bias = false});
    maybe.emplace();
    mixed.push_back(std::make_unique<ReLU>());
    mixed.push_back(nullptr);
    mixed.push_back(std::make_unique<Linear>(1, 1));
  }
};

struct NoMembers : Module {
  SCONCE_MODULE()
};

struct Derived : Block {
  Linear extra{1, 1};
  SCONCE_MODULE_OF(Block, extra)
};

struct DerivedWithout : Block {
  SCONCE_MODULE_OF(Block)
};

TEST(Module, StateDictOrderIsParametersBuffersChildren) {
  EXPECT_THAT(Block().state_dict().names(), ElementsAre("scale", "seen", "fc.weight", "fc.bias"));
  EXPECT_THAT(names_of(Block().named_parameters()), ElementsAre("scale", "fc.weight", "fc.bias"));
  EXPECT_THAT(names_of(Block().named_buffers()), ElementsAre("seen", "scratch"));
}

TEST(Module, MembersMayBeOptionalPointersAndLists) {
  const Everything module;
  EXPECT_THAT(module.state_dict().names(),
              ElementsAre("private_looking", "layers.0.weight", "layers.0.bias", "layers.1.weight", "pair.0",
                          "pair.2", "maybe.scale", "maybe.seen", "maybe.fc.weight", "maybe.fc.bias",
                          "any.weight", "mixed.2.weight", "mixed.2.bias"));
}

TEST(Module, MetadataListsEveryModule) {
  EXPECT_THAT(metadata_of(Everything().state_dict()),
              ElementsAre(":1", "layers:1", "layers.0:1", "layers.1:1", "pair:1", "maybe:1", "maybe.fc:1",
                          "maybe.act:1", "any:1", "mixed:1", "mixed.0:1", "mixed.2:1", "empty_list:1"));
  EXPECT_THAT(metadata_of(Sequential({BatchNorm2d{2}, Dropout{}}).state_dict()),
              ElementsAre(":1", "0:2", "1:1"));
  EXPECT_THAT(metadata_of(NoMembers().state_dict()), ElementsAre(":1"));
}

TEST(Module, StateDictTakesAPrefix) {
  const StateDict state = Block().state_dict("net.");
  EXPECT_THAT(state.names(), ElementsAre("net.scale", "net.seen", "net.fc.weight", "net.fc.bias"));
  EXPECT_THAT(metadata_of(state), ElementsAre("net:1", "net.fc:1", "net.act:1"));
}

TEST(Module, DerivedModulesListTheBaseFirst) {
  EXPECT_THAT(names_of(Derived().named_parameters()),
              ElementsAre("scale", "fc.weight", "fc.bias", "extra.weight", "extra.bias"));
  EXPECT_EQ(DerivedWithout().state_dict().size(), Block().state_dict().size());
}

TEST(Module, StateDictSharesMemory) {
  Block block;
  const Array scale = block.state_dict().at("scale").array();
  block.scale.mutable_array().fill(7);
  EXPECT_EQ(scale.item<float>(), 7);
}

TEST(Module, TiedParametersHaveEveryNameInTheStateDictAndOneElsewhere) {
  struct Tied : Module {
    Linear encoder{2, 3};
    Linear decoder{2, 3, {.bias = false}};
    SCONCE_MODULE(encoder, decoder)
    Tied() { decoder.weight = encoder.weight; }
  } tied;
  EXPECT_THAT(tied.state_dict().names(), ElementsAre("encoder.weight", "encoder.bias", "decoder.weight"));
  EXPECT_EQ(tied.state_dict().at("encoder.weight").array().storage(),
            tied.state_dict().at("decoder.weight").array().storage());
  EXPECT_THAT(names_of(tied.named_parameters()), ElementsAre("encoder.weight", "encoder.bias"));
  EXPECT_EQ(tied.num_parameters(), 9);
}

TEST(Module, MovesWithItsMembers) {
  Everything first;
  const Tensor weight = first.layers[0].weight;
  const std::vector<std::string> names = first.state_dict().names();
  first.eval();
  Everything second = std::move(first);
  EXPECT_TRUE(second.layers[0].weight.is_same(weight));
  EXPECT_EQ(second.state_dict().names(), names);
  EXPECT_FALSE(second.is_training());
  Everything third;
  third = std::move(second);
  EXPECT_TRUE(third.named_parameters()[1].second.is_same(weight));
  static_assert(!std::is_copy_constructible_v<Everything>);
}

TEST(Module, NamesOfClassesAreUnqualified) {
  struct Local : Block {};
  EXPECT_EQ(Block().class_name(), "Block");
  EXPECT_EQ(Local().class_name(), "Local");
  EXPECT_EQ(Linear(1, 1).class_name(), "Linear");
  EXPECT_EQ(ModuleList<Linear>().class_name(), "ModuleList");
}

TEST(Module, PrintsAsPyTorch) {
  std::ostringstream out;
  out << Everything();
  EXPECT_EQ(out.str(), R"(Everything(
  (layers): ModuleList(
    (0): Linear(in_features=1, out_features=1, bias=True)
    (1): Linear(in_features=1, out_features=1, bias=False)
  )
  (pair): ParameterList(
      (0): Parameter containing: [torch.float32 of size 1]
      (2): Parameter containing: [torch.float32 of size 2x3]
  )
  (maybe): Block(
    (fc): Linear(in_features=2, out_features=2, bias=True)
    (act): ReLU()
  )
  (any): Linear(in_features=2, out_features=1, bias=False)
  (mixed): ModuleList(
    (0): ReLU()
    (2): Linear(in_features=1, out_features=1, bias=True)
  )
  (empty_list): ModuleList()
))");
}

TEST(Module, ListsPrintEqualChildrenOnce) {
  const ModuleList<Layer> list{Linear{2, 2}, Linear{2, 2}, ReLU{}};
  EXPECT_EQ(list.str(), R"(ModuleList(
  (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)
  (2): ReLU()
))");
  EXPECT_EQ(Sequential().str(), "Sequential()");
  EXPECT_EQ(Sequential({ReLU{}, Sequential{Linear{1, 2}}}).str(), R"(Sequential(
  (0): ReLU()
  (1): Sequential(
    (0): Linear(in_features=1, out_features=2, bias=True)
  )
))");
}

TEST(Module, ModesReachEverythingBelow) {
  Everything module;
  module.eval();
  EXPECT_FALSE(module.is_training());
  EXPECT_FALSE(module.layers[1].is_training());
  EXPECT_FALSE(module.maybe->act.is_training());
  EXPECT_FALSE(module.mixed[2]->is_training());
  module.maybe->train();
  EXPECT_TRUE(module.maybe->act.is_training());
  EXPECT_FALSE(module.is_training());
}

TEST(Module, ApplyVisitsChildrenFirstAndOnlyModulesThatLast) {
  Everything module;
  std::vector<Module*> seen;
  module.apply([&](Module& part) { seen.push_back(&part); });
  EXPECT_THAT(seen, ElementsAre(&module.layers[0], &module.layers[1], &module.maybe->fc, &module.maybe->act,
                                &*module.maybe, module.any.get(), module.mixed[0].get(),
                                module.mixed[2].get(), &module));
}

TEST(Module, FreezesConvertsAndClears) {
  Block block;
  block.requires_grad(false);
  EXPECT_FALSE(block.fc.weight.requires_grad());
  block.requires_grad(true);
  EXPECT_TRUE(block.fc.weight.requires_grad());
  block.fc.weight.set_grad(ones({2, 2}));
  block.zero_grad();
  EXPECT_FALSE(block.fc.weight.grad().defined());
  const Tensor handle = block.fc.weight;
  block.fc.weight.set_grad(ones({2, 2}));
  block.to(kFloat64);
  EXPECT_EQ(handle.dtype(), kFloat64);
  EXPECT_TRUE(handle.requires_grad());
  EXPECT_FALSE(handle.grad().defined());
  EXPECT_EQ(block.seen.dtype(), kFloat64);
  const Tensor y = block(ones({1, 2}, {.dtype = kFloat64}));
  EXPECT_EQ(y.dtype(), kFloat64);
  y.backward(ones_like(y));
  EXPECT_EQ(handle.grad().dtype(), kFloat64);
  EXPECT_ERROR(block.to(kInt64), ErrorCode::kDTypeMismatch);
}

TEST(Parameter, TakesDataWithoutHistory) {
  const Tensor source = ones({2}).set_requires_grad() * 2.0;
  const Parameter parameter(source);
  EXPECT_TRUE(parameter.is_leaf());
  EXPECT_TRUE(parameter.requires_grad());
  EXPECT_FALSE(Parameter(source, false).requires_grad());
  EXPECT_FALSE(Buffer(source).requires_grad());
  EXPECT_FALSE(Parameter().defined());
}

TEST(Hooks, ReplaceArgumentsAndResults) {
  Linear layer{1, 1, {.bias = false}};
  layer.weight.mutable_array().fill(2);
  std::vector<std::string> calls;
  const int before = layer.add_forward_pre_hook([&](const Module&, const std::vector<Tensor>& arguments) {
    calls.push_back("before");
    return std::vector<Tensor>{arguments[0] + 1.0};
  });
  const int after = layer.add_forward_hook(
      [&](const Module& module, const std::vector<Tensor>& arguments, const std::vector<Tensor>& results) {
        calls.push_back(cat("after ", module.class_name(), " ", arguments[0].item(), " ", results[0].item()));
        return std::vector<Tensor>{results[0] * 10.0};
      });
  const Tensor x = ones({1, 1});
  EXPECT_EQ(layer(x).item(), 40);
  EXPECT_THAT(calls, ElementsAre("before", "after Linear 2 4"));
  EXPECT_EQ(layer.forward(x).item(), 2) << "forward alone runs no hooks";
  layer.remove_hook(before);
  EXPECT_EQ(layer(x).item(), 20);
  layer.remove_hook(after);
  EXPECT_EQ(layer(x).item(), 2);
  EXPECT_ERROR(layer.remove_hook(after), ErrorCode::kNotFound);
  EXPECT_ERROR(Linear(1, 1).remove_hook(0), ErrorCode::kNotFound);
}

TEST(Hooks, MayOnlyWatch) {
  ReLU layer;
  int calls = 0;
  layer.add_forward_hook([&](const Module&, const std::vector<Tensor>&, const std::vector<Tensor>&) {
    ++calls;
    return std::vector<Tensor>{};
  });
  ReLU moved = std::move(layer);
  EXPECT_EQ(moved(ones({1})).item(), 1);
  EXPECT_EQ(calls, 1);
}

TEST(Hooks, MustGiveOneTensor) {
  ReLU layer;
  layer.add_forward_pre_hook([](const Module&, const std::vector<Tensor>& arguments) {
    return std::vector<Tensor>{arguments[0], arguments[0]};
  });
  EXPECT_ERROR(layer(ones({1})), ErrorCode::kInvalidArgument);
}

TEST(Sequential, BuildsAndRunsFromLeftToRight) {
  manual_seed(3);
  const Linear first{2, 3};
  const Linear second{3, 1};
  manual_seed(3);
  Sequential net{Linear{2, 3}, ReLU{}, Linear{3, 1}};
  const StateDict state = net.state_dict();
  EXPECT_TRUE(state.at("0.weight").array().same_bits(first.weight.array()));
  EXPECT_TRUE(state.at("2.weight").array().same_bits(second.weight.array()));
  const Tensor x = ones({4, 2});
  EXPECT_EQ(net(x).shape(), Shape({4, 1}));
  EXPECT_EQ(net.size(), 3U);
  EXPECT_EQ(net[1].class_name(), "ReLU");
  EXPECT_ERROR(net[3], ErrorCode::kIndexOutOfRange);
}

TEST(Sequential, ChildrenMayHaveNames) {
  Sequential net{{"fc", Linear{2, 3}}, {"act", ReLU{}}};
  net.push_back(Linear{3, 1});
  EXPECT_THAT(net.state_dict().names(), ElementsAre("fc.weight", "fc.bias", "2.weight", "2.bias"));
  EXPECT_ERROR(net.push_back({"fc", ReLU{}}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(net.push_back({"a.b", ReLU{}}), ErrorCode::kInvalidArgument);
  net.push_back(std::unique_ptr<Layer>(std::make_unique<ReLU>()));
  EXPECT_EQ(net.size(), 4U);
}

TEST(ModuleList, HoldsModules) {
  ModuleList<Linear> list{Linear{1, 2}, Linear{2, 3}};
  list.push_back(Linear{3, 4});
  EXPECT_EQ(list[2].out_features(), 4);
  EXPECT_EQ(list.size(), 3U);
  EXPECT_ERROR(list[3], ErrorCode::kIndexOutOfRange);
}

}  // namespace
}  // namespace sconce::nn
