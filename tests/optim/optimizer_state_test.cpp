// state_dict and load_state_dict of optimizers, against what PyTorch writes.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/error_matcher.h"
#include "optim/describe.h"
#include "optim/leaf.h"
#include "sconce/optim/sgd.h"
#include "sconce/optim/step_lr.h"
#include "sconce/tensor/factory.h"
#include "support/text_data.h"

namespace sconce::optim {
namespace {

// The lines of the golden file by their first word.
std::map<std::string, std::string> golden() {
  std::map<std::string, std::string> out;
  for (const std::string& line : test::golden_lines("optim/state.txt")) {
    const std::size_t blank = line.find(' ');
    out[line.substr(0, blank)] = line.substr(blank + 1);
  }
  return out;
}

std::string on_one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', '|');
  return text;
}

void expect_golden(const std::string& name, const Optimizer& optimizer) {
  const auto expected = golden();
  EXPECT_EQ(describe(optimizer.state_dict()), expected.at(name));
  EXPECT_EQ(on_one_line(optimizer.str()), expected.at(name + "_text"));
}

struct Three {
  Tensor a = leaf(full({2}, 1.0));
  Tensor b = leaf(full({3}, 2.0));
  Tensor c = leaf(full({2, 2}, 3.0));
};

void give_gradient(Tensor parameter) { parameter.set_grad(full_like(parameter, 0.5)); }

TEST(OptimizerState, LayoutIsPyTorchs) {
  Three p;
  expect_golden("defaults", SGD({p.a, p.b, p.c}));
  SGD optimizer({p.a, p.b, p.c}, {.lr = 0.001, .momentum = 0.9, .weight_decay = 1e-5});
  expect_golden("fresh", optimizer);
  give_gradient(p.b);
  optimizer.step();
  give_gradient(p.a);
  optimizer.step();
  expect_golden("stepped", optimizer);
}

TEST(OptimizerState, LayoutOfGroupsIsPyTorchs) {
  Three p;
  SGD optimizer({{.params = {p.a}, .lr = 0.25}, {.params = {p.b, p.c}, .momentum = 0.5, .nesterov = true}},
                {.lr = 1e16, .maximize = true});
  give_gradient(p.c);
  optimizer.step();
  expect_golden("groups", optimizer);
}

TEST(OptimizerState, LayoutWithNamesIsPyTorchs) {
  Three p;
  const std::vector<std::pair<std::string, Tensor>> named{{"a", p.a}, {"b", p.b}};
  expect_golden("named", SGD(named, {.lr = 0.1}));
}

TEST(OptimizerState, LayoutWithASchedulerIsPyTorchs) {
  Three p;
  SGD optimizer({p.a, p.b}, {.lr = 0.1});
  StepLR scheduler(optimizer, 2, {.gamma = 0.5});
  expect_golden("scheduled", optimizer);
  EXPECT_EQ(describe(scheduler.state_dict()), golden().at("scheduler"));
  for (int i = 0; i < 3; ++i) {
    optimizer.step();
    scheduler.step();
  }
  expect_golden("scheduled_later", optimizer);
  EXPECT_EQ(describe(scheduler.state_dict()), golden().at("scheduler_later"));
}

TEST(OptimizerState, SharesMemoryWithTheLiveState) {
  Three p;
  SGD optimizer({p.a}, {.lr = 1, .momentum = 0.5});
  give_gradient(p.a);
  optimizer.step();
  const Array buffer = optimizer.state_dict().at("state").at(0).at("momentum_buffer").as_array();
  optimizer.step();
  EXPECT_EQ(buffer.to_vector<float>(), (std::vector<float>{0.75, 0.75}));
}

TEST(OptimizerState, SavedValuesDoNotGrowTheOptimizer) {
  // Values joined into one graph would keep every state_dict alive, and with it the arrays it names.
  Three p;
  SGD optimizer({p.a}, {.lr = 1, .momentum = 0.5});
  give_gradient(p.a);
  optimizer.step();
  optimizer.state_dict();
  const std::uint32_t uses =
      optimizer.state_dict().at("state").at(0).at("momentum_buffer").as_array().storage().use_count();
  for (int i = 0; i < 10; ++i) optimizer.state_dict();
  EXPECT_EQ(optimizer.state_dict().at("state").at(0).at("momentum_buffer").as_array().storage().use_count(),
            uses);
}

TEST(OptimizerState, LoadingGoesOnWhereSavingStopped) {
  Three p;
  Three q;
  const SgdOptions options{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01};
  SGD first({p.a, p.b, p.c}, options);
  const auto step = [](SGD& optimizer, Three& of) {
    for (Tensor* parameter : {&of.a, &of.b, &of.c}) give_gradient(*parameter);
    optimizer.step();
  };
  step(first, p);
  SGD second({q.a, q.b, q.c}, {.lr = 5});
  second.load_state_dict(first.state_dict());
  EXPECT_EQ(describe(second.state_dict()), describe(first.state_dict()));
  for (auto [to, from] : {std::pair(&q.a, &p.a), std::pair(&q.b, &p.b), std::pair(&q.c, &p.c)}) {
    to->mutable_array().copy_from(from->array());
  }
  step(first, p);
  step(second, q);  // and the loaded state is not shared
  EXPECT_TRUE(q.b.array().same_bits(p.b.array()));
  EXPECT_EQ(describe(second.state_dict()), describe(first.state_dict()));
}

Value group_of(std::vector<std::int64_t> params, std::initializer_list<Value::Pair> options) {
  Value out = Value::dict(options);
  Value numbers = Value::list();
  for (const std::int64_t number : params) numbers.append(number);
  out.set_item("params", numbers);
  return out;
}

Value saved(std::initializer_list<Value::Pair> states, std::initializer_list<Value> groups) {
  return Value::dict({{"state", Value::dict(states)}, {"param_groups", Value::list(groups)}});
}

TEST(OptimizerState, LoadsWhatPyTorch113Wrote) {
  Three p;
  SGD optimizer({p.a, p.b}, {.lr = 1, .momentum = 0.9});
  const Value none = Value::dict({{"momentum_buffer", nullptr}});
  optimizer.load_state_dict(saved({{0, none}, {1, none}}, {group_of({0, 1}, {{"lr", 0.5},
                                                                             {"momentum", 0},
                                                                             {"dampening", 0},
                                                                             {"weight_decay", 0},
                                                                             {"nesterov", false},
                                                                             {"maximize", false},
                                                                             {"foreach", nullptr},
                                                                             {"differentiable", false}})}));
  EXPECT_EQ(
      describe(optimizer.state_dict()),
      "{'state': {0: {'momentum_buffer': None}, 1: {'momentum_buffer': None}}, 'param_groups': [{'lr': 0.5, "
      "'momentum': 0, 'dampening': 0, 'weight_decay': 0, 'nesterov': False, 'maximize': False, 'foreach': "
      "None, 'differentiable': False, 'fused': None, 'params': [0, 1]}]}");
  optimizer.param_groups()[0].set("momentum", 0.5);
  give_gradient(p.a);
  optimizer.step();
  EXPECT_EQ(p.a.to_vector<float>(), (std::vector<float>{0.75, 0.75}));
  EXPECT_TRUE(optimizer.state_dict().at("state").at(0).at("momentum_buffer").is_array());
}

TEST(OptimizerState, LoadingKeepsFurtherOptionsAndFillsMissingOnes) {
  Three p;
  SGD optimizer({p.a}, {.lr = 1, .momentum = 0.9});
  optimizer.load_state_dict(
      saved({}, {group_of({0}, {{"lr", 0.5}, {"initial_lr", 2.0}, {"betas", Value::tuple({0.5, 0.75})}})}));
  EXPECT_EQ(
      describe(optimizer.state_dict().at("param_groups")),
      "[{'lr': 0.5, 'initial_lr': 2.0, 'betas': (0.5, 0.75), 'momentum': 0.9, 'dampening': 0, "
      "'weight_decay': "
      "0, 'nesterov': False, 'maximize': False, 'foreach': None, 'differentiable': False, 'fused': None, "
      "'params': [0]}]");
}

TEST(OptimizerState, LoadingReplacesNamesOnlyWhenThereAreSome) {
  Three p;
  const std::vector<std::pair<std::string, Tensor>> named{{"a", p.a}};
  SGD optimizer(named, {.lr = 1});
  optimizer.load_state_dict(saved({}, {group_of({0}, {{"lr", 0.5}})}));
  EXPECT_EQ(describe(optimizer.param_groups()[0].at("param_names")), "['a']");
  optimizer.load_state_dict(saved({}, {group_of({0}, {{"param_names", Value::list({"z"})}, {"lr", 0.5}})}));
  EXPECT_EQ(describe(optimizer.param_groups()[0].at("param_names")), "['z']");
}

TEST(OptimizerState, FloatingStateFollowsTheParameterButStepDoesNot) {
  Tensor parameter = leaf(zeros({2}, {.dtype = kFloat64}));
  SGD optimizer({parameter}, {.lr = 1, .momentum = 0.5});
  const Value state =
      Value::dict({{"step", Array::scalar(3.0F)}, {"momentum_buffer", Array::ones({2}, kFloat32)}});
  optimizer.load_state_dict(saved({{0, state}}, {group_of({0}, {{"lr", 1.0}, {"momentum", 0.5}})}));
  const Value loaded = optimizer.state_dict().at("state").at(0);
  EXPECT_EQ(loaded.at("step").as_array().dtype(), kFloat32);
  EXPECT_EQ(loaded.at("momentum_buffer").as_array().dtype(), kFloat64);
  parameter.set_grad(ones({2}, {.dtype = kFloat64}));
  optimizer.step();
  EXPECT_EQ(parameter.to_vector<double>(), (std::vector<double>{-1.5, -1.5}));
}

TEST(OptimizerState, MapsTheNumbersOfTheFileAndKeepsForeignState) {
  Three p;
  SGD optimizer({p.a, p.b}, {.lr = 1, .momentum = 0.5});
  const auto buffer = [](std::int64_t size) {
    return Value::dict({{"momentum_buffer", Array::ones({size})}});
  };
  optimizer.load_state_dict(saved({{140001, buffer(3)}, {"extra", "kept"}, {140000, buffer(2)}},
                                  {group_of({140000, 140001}, {{"lr", 1.0}, {"momentum", 0.5}})}));
  const Value state = optimizer.state_dict().at("state");
  EXPECT_EQ(state.size(), 3U);
  EXPECT_EQ(state.items()[0].first.as_int(), 1);
  EXPECT_EQ(state.at(0).at("momentum_buffer").as_array().shape(), Shape({2}));
  EXPECT_EQ(state.at(1).at("momentum_buffer").as_array().shape(), Shape({3}));
  EXPECT_EQ(state.at("extra").as_string(), "kept");
}

TEST(OptimizerState, RefusesWhatDoesNotFitAndChangesNothing) {
  Three p;
  SGD optimizer({p.a, p.b}, {.lr = 1, .momentum = 0.5});
  give_gradient(p.a);
  optimizer.step();
  const std::string before = describe(optimizer.state_dict());
  const Value good = group_of({0, 1}, {{"lr", 0.5}});
  const auto refuses = [&](const Value& state, ErrorCode code, const std::string& text) {
    try {
      optimizer.load_state_dict(state);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error_code_name(error.code()), error_code_name(code)) << error.what();
      EXPECT_NE(error.text().find(text), std::string::npos) << error.what();
    }
    EXPECT_EQ(describe(optimizer.state_dict()), before);
  };
  refuses(saved({}, {good, good}), ErrorCode::kKeyMismatch,
          "loaded state dict has a different number of parameter groups");
  refuses(saved({}, {group_of({0}, {{"lr", 0.5}})}), ErrorCode::kKeyMismatch,
          "loaded state dict contains a parameter group that doesn't match the size of optimizer's group");
  refuses(Value(3), ErrorCode::kKeyMismatch, "should be a dict, found int");
  refuses(Value::dict({{"param_groups", Value::list()}}), ErrorCode::kKeyMismatch, "'state'");
  refuses(Value::dict({{"state", Value::dict()}}), ErrorCode::kKeyMismatch, "'param_groups'");
  refuses(Value::dict({{"state", Value::list()}, {"param_groups", Value::list({good})}}),
          ErrorCode::kKeyMismatch, "should be a dict, found list");
  refuses(saved({}, {Value("text")}), ErrorCode::kKeyMismatch, "a parameter group should be a dict");
  refuses(saved({}, {Value::dict({{"lr", 0.5}})}), ErrorCode::kKeyMismatch, "'params'");
  refuses(saved({}, {Value::dict({{"params", Value::list({0, 1})}, {7, 0.5}})}), ErrorCode::kKeyMismatch,
          "the name of an option");
  refuses(saved({}, {Value::dict({{"params", Value::list({0, "one"})}})}), ErrorCode::kKeyMismatch,
          "a parameter's number");
  refuses(saved({{0, "text"}}, {good}), ErrorCode::kKeyMismatch, "the state of a parameter should be a dict");
  refuses(saved({{0, Value::dict({{1, 2}})}}, {good}), ErrorCode::kKeyMismatch,
          "the name of a parameter's state");
  refuses(saved({{0, Value::dict({{"momentum_buffer", "text"}})}}, {good}), ErrorCode::kKeyMismatch,
          "momentum_buffer should be a tensor");
  refuses(saved({{0, Value::dict({{"momentum_buffer", Array::ones({5})}})}}, {good}),
          ErrorCode::kShapeMismatch, "momentum_buffer has shape");
  refuses(saved({}, {group_of({0, 1}, {{"lr", "fast"}})}), ErrorCode::kDTypeMismatch,
          "'lr' should be a number");
  refuses(saved({}, {group_of({0, 1}, {{"lr", -0.5}})}), ErrorCode::kInvalidArgument,
          "Invalid learning rate");
  Value cyclic = Value::list();
  cyclic.append(cyclic);
  refuses(saved({}, {group_of({0, 1}, {{"lr", 0.5}, {"extra", cyclic}})}), ErrorCode::kLimit,
          "nested deeper");
}

}  // namespace
}  // namespace sconce::optim
