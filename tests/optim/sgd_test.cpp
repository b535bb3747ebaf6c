#include "sconce/optim/sgd.h"

#include <gtest/gtest.h>

#include "base/error_matcher.h"
#include "optim/leaf.h"
#include "sconce/base/parallel.h"
#include "sconce/kernels/random.h"
#include "sconce/kernels/sgd.h"
#include "sconce/tensor/elementwise.h"
#include "sconce/tensor/factory.h"
#include "support/digest.h"
#include "support/text_data.h"

namespace sconce::optim {
namespace {

Tensor drawn(DType dtype, Generator& generator) {
  Array values = Array::empty({1009}, dtype);
  kernels::uniform(values, -1, 1, generator);
  return values;
}

std::string buffer_digest(const SGD& optimizer) {
  const Value state = optimizer.state_dict().at("state");
  return state.size() == 0 ? "-" : test::sha256_of(state.at(0).at("momentum_buffer").as_array());
}

TEST(Sgd, TwelveStepsHaveTheBitsOfPyTorch) {
  int cases = 0;
  for (const std::string& line : test::golden_lines("optim/sgd.txt")) {
    SCOPED_TRACE(line);
    const std::vector<std::string> words = test::words_of(line);
    ASSERT_EQ(words.size(), 11U);
    const DType dtype = dtype_from_name(words[0]).value();
    const auto number = [&](std::size_t i) { return std::stod(words[i]); };
    Generator generator(5);
    Tensor parameter = leaf(drawn(dtype, generator));
    SGD optimizer({parameter}, {.lr = number(1),
                                .momentum = number(2),
                                .dampening = number(3),
                                .weight_decay = number(4),
                                .nesterov = words[5] == "1",
                                .maximize = words[6] == "1"});
    for (int step = 1; step <= 12; ++step) {
      parameter.set_grad(drawn(dtype, generator));
      optimizer.step();
      if (step != 1 && step != 12) continue;
      const std::size_t at = step == 1 ? 7 : 9;
      EXPECT_EQ(test::sha256_of(parameter.array()), words[at]) << "step " << step;
      EXPECT_EQ(buffer_digest(optimizer), words[at + 1]) << "step " << step;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 18);
}

TEST(Sgd, StepsParametersThatAreNotContiguous) {
  Tensor parameter = leaf(Tensor(Array::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}).transpose(0, 1)));
  ASSERT_FALSE(parameter.is_contiguous());
  parameter.set_grad(Array::from<float>({1, 1, 1, 1, 1, 2}, {3, 2}));
  SGD optimizer({parameter}, {.lr = 1, .momentum = 0.5});
  optimizer.step();
  EXPECT_EQ(parameter.to_vector<float>(), (std::vector<float>{0, 3, 1, 4, 2, 4}));
}

TEST(Sgd, SkipsParametersWithoutGradient) {
  Tensor with = leaf(ones({2}));
  Tensor without = leaf(ones({2}));
  SGD optimizer({with, without}, {.lr = 1, .momentum = 0.9});
  with.set_grad(ones({2}));
  optimizer.step();
  EXPECT_EQ(with.to_vector<float>(), (std::vector<float>{0, 0}));
  EXPECT_EQ(without.to_vector<float>(), (std::vector<float>{1, 1}));
  EXPECT_EQ(optimizer.state_dict().at("state").size(), 1U);
}

TEST(Sgd, MomentumMayBeTurnedOnLater) {
  Tensor parameter = leaf(zeros({1}));
  SGD optimizer({parameter}, {.lr = 1});
  parameter.set_grad(ones({1}));
  optimizer.step();
  EXPECT_EQ(optimizer.state_dict().at("state").size(), 0U);
  optimizer.param_groups()[0].set("momentum", 0.5);
  optimizer.step();
  optimizer.step();
  EXPECT_EQ(parameter.item(), -1 - 1 - 1.5);
}

TEST(Sgd, ClearsGradients) {
  Tensor parameter = leaf(zeros({2}));
  SGD optimizer({parameter});
  parameter.set_grad(ones({2}));
  optimizer.zero_grad(false);
  EXPECT_EQ(parameter.grad().to_vector<float>(), (std::vector<float>{0, 0}));
  optimizer.zero_grad();
  EXPECT_FALSE(parameter.grad().defined());
  optimizer.zero_grad(false);
  EXPECT_FALSE(parameter.grad().defined());
}

TEST(Sgd, RefusesOptionsThatMakeNoSense) {
  Tensor p = leaf(ones({2}));
  const auto refuses = [&](const SgdOptions& options, const std::string& text) {
    try {
      SGD optimizer({p}, options);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_EQ(error.text(), text);
    }
  };
  refuses({.lr = -1}, "Invalid learning rate: -1");
  refuses({.momentum = -0.5}, "Invalid momentum value: -0.5");
  refuses({.weight_decay = -1}, "Invalid weight_decay value: -1");
  refuses({.nesterov = true}, "Nesterov momentum requires a momentum and zero dampening");
  refuses({.momentum = 0.9, .dampening = 0.1, .nesterov = true},
          "Nesterov momentum requires a momentum and zero dampening");
}

TEST(Sgd, RefusesParametersThatMakeNoSense) {
  Tensor a = leaf(ones({2}));
  Tensor b = leaf(ones({2}));
  const auto refuses = [](const auto& make, const std::string& text) {
    try {
      make();
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_EQ(error.text(), text);
    }
  };
  using Groups = std::vector<SgdGroup>;
  refuses([] { SGD optimizer(std::vector<Tensor>{}); }, "optimizer got an empty parameter list");
  refuses([] { SGD optimizer(Groups{}); }, "optimizer got an empty parameter list");
  refuses([&] { SGD optimizer({a, Tensor()}); }, "parameter 1 of the group is undefined");
  refuses([&] { SGD optimizer({a, a}); }, "parameter 1 of the group appears twice in it");
  refuses([&] { SGD optimizer({a * 2.0}); }, "can't optimize a non-leaf Tensor");
  refuses(
      [&] {
        SGD optimizer(Groups{{.params = {a}}, {.params = {b, a}}});
      },
      "some parameters appear in more than one parameter group");
  const std::vector<std::pair<std::string, Tensor>> named{{"a", a}};
  refuses(
      [&] {
        SGD optimizer(Groups{{.params = named}, {.params = {b}}});
      },
      "all optimizer param groups should be with/without names. cannot add param group without names to the "
      "optimizer");
  refuses(
      [&] {
        SGD optimizer(Groups{{.params = {b}}, {.params = named}});
      },
      "all optimizer param groups should be with/without names. cannot add param group with names to the "
      "optimizer");
}

TEST(Sgd, AddsGroups) {
  Tensor a = leaf(zeros({1}));
  Tensor b = leaf(zeros({1}));
  SGD optimizer({a}, {.lr = 1});
  optimizer.add_param_group({.params = {b}, .lr = 10});
  a.set_grad(ones({1}));
  b.set_grad(ones({1}));
  optimizer.step();
  EXPECT_EQ(a.item(), -1);
  EXPECT_EQ(b.item(), -10);
  EXPECT_ERROR(optimizer.add_param_group({.params = {b}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(optimizer.param_groups().size(), 2U);
  optimizer.set_lr(0.5);
  EXPECT_EQ(optimizer.param_groups()[1].lr(), 0.5);
}

TEST(ParamGroup, ReadsAndWritesOptions) {
  ParamGroup group({},
                   {{"lr", 0.5}, {"word", "text"}, {"none", nullptr}, {"on", true}, {"many", Value::list()}});
  EXPECT_EQ(group.number("on"), 1);
  EXPECT_FALSE(group.flag("none"));
  EXPECT_TRUE(group.flag("lr"));
  group.set("tensor", Array::scalar(0.25F));
  EXPECT_EQ(group.number("tensor"), 0.25);
  EXPECT_ERROR(group.number("word"), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(group.flag("many"), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(group.number("absent"), ErrorCode::kNotFound);
  EXPECT_ERROR(group.at("absent"), ErrorCode::kNotFound);
  // What is handed out is a copy.
  group.at("many").append(1);
  EXPECT_EQ(group.at("many").size(), 0U);
}

TEST(SgdKernel, BitsDoNotDependOnThreads) {
  const int previous = num_threads();
  std::vector<std::string> digests;
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    Generator generator(3);
    Array arrays[3];
    for (Array& array : arrays) {
      array = Array::empty({100003});
      kernels::uniform(array, -1, 1, generator);
    }
    kernels::sgd_step(arrays[0], arrays[1], arrays[2], false,
                      {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true});
    digests.push_back(test::sha256_of(arrays[0]) + test::sha256_of(arrays[2]));
  }
  set_num_threads(previous);
  EXPECT_EQ(digests[0], digests[1]);
}

TEST(SgdKernel, RefusesArraysThatDoNotFit) {
  Array param = Array::zeros({2, 2});
  Array buffer = Array::zeros({2, 2});
  const auto step = [&](const Array& grad) {
    kernels::sgd_step(param, grad, buffer, false, {.momentum = 0.9});
  };
  EXPECT_ERROR(step(Array::zeros({2, 2}, kFloat64)), ErrorCode::kDTypeMismatch);
  EXPECT_ERROR(step(Array::zeros({4})), ErrorCode::kShapeMismatch);
  EXPECT_ERROR(step(Array::zeros({2, 2}).transpose(0, 1)), ErrorCode::kInvalidArgument);
  buffer = Array::zeros({3});
  EXPECT_ERROR(step(Array::zeros({2, 2})), ErrorCode::kShapeMismatch);
  Array integers = Array::zeros({2}, kInt64);
  EXPECT_ERROR(kernels::sgd_step(integers, Array::zeros({2}, kInt64), buffer, false, {}),
               ErrorCode::kDTypeMismatch);
}

}  // namespace
}  // namespace sconce::optim
