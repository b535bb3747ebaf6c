#include "sconce/nn/copy.h"

#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "sconce/nn/nn.h"
#include "sconce/tensor/factory.h"

namespace sconce::nn {
namespace {

struct Net : Layer {
  Linear first{2, 2};
  Linear second{2, 2, {.bias = false}};
  BatchNorm2d norm{2};
  std::vector<Dropout> drops;
  Buffer scratch{zeros({1}), false};
  std::int64_t count = 0;
  SCONCE_MODULE(first, second, norm, drops, scratch)
  Net() { drops.emplace_back(0.5); }
  Tensor forward(const Tensor& x) override { return second(first(x)); }
  std::optional<Value> extra_state() const override { return Value(count); }
  void set_extra_state(const Value& state) override { count = state.as_int(); }
};

TEST(Copy, HasEverythingInMemoryOfItsOwn) {
  Net net;
  net.scratch.mutable_array().fill(3);
  net.count = 9;
  net.norm.running_mean.mutable_array().fill(4);
  net.first.weight.set_requires_grad(false);
  net.drops[0].eval();
  const Array draws = default_generator().state();
  const Net copied = copy(net);
  EXPECT_TRUE(default_generator().state().same_bits(draws)) << "a copy draws nothing";
  const StateDict state = copied.state_dict();
  for (const auto& [name, value] : net.state_dict()) {
    if (!value.is_array()) continue;
    EXPECT_TRUE(state.at(name).array().same_bits(value.array())) << name;
    EXPECT_NE(state.at(name).array().storage(), value.array().storage()) << name;
  }
  EXPECT_EQ(copied.scratch.item(), 3);
  EXPECT_FALSE(copied.scratch.is_persistent());
  EXPECT_EQ(copied.count, 9);
  EXPECT_FALSE(copied.first.weight.requires_grad());
  EXPECT_TRUE(copied.first.bias.requires_grad());
  EXPECT_TRUE(copied.is_training());
  EXPECT_FALSE(copied.drops[0].is_training());
}

TEST(Copy, KeepsTies) {
  Net net;
  net.second.weight = net.first.weight;
  const Net copied = copy(net);
  EXPECT_TRUE(copied.second.weight.is_same(copied.first.weight));
  EXPECT_FALSE(copied.first.weight.is_same(net.first.weight));
}

TEST(Copy, KeepsDtypesAndAbsence) {
  Net net;
  net.to(kFloat64);
  net.first.bias = Parameter();
  const Net copied = copy(net);
  EXPECT_EQ(copied.first.weight.dtype(), kFloat64);
  EXPECT_FALSE(copied.first.bias.defined());
}

TEST(Copy, TakesConstructorArguments) {
  const Linear linear(2, 3, {.bias = false});
  const Linear copied = copy(linear, 2, 3, LinearOptions{.bias = false});
  EXPECT_TRUE(copied.weight.array().same_bits(linear.weight.array()));
}

TEST(Copy, RefusesAnotherStructureAndChangesNothing) {
  const Linear linear(2, 3);
  Linear other(3, 2);
  const Array before = other.weight.array().clone();
  EXPECT_ERROR(copy_content(linear, other), ErrorCode::kShapeMismatch);
  EXPECT_TRUE(other.weight.array().same_bits(before));
  Conv2d conv(1, 1, 1);
  EXPECT_ERROR(copy_content(linear, conv), ErrorCode::kShapeMismatch);
  const Sequential net{ReLU{}};
  EXPECT_ERROR(copy(net), ErrorCode::kKeyMismatch);
  Sequential named{{"act", ReLU{}}};
  EXPECT_ERROR(copy_content(net, named), ErrorCode::kKeyMismatch);
}

}  // namespace
}  // namespace sconce::nn
