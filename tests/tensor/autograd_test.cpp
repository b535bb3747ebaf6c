#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "sconce/tensor/ops.h"
#include "support/kernel_testing.h"

namespace sconce {
namespace {

using test::code_of;

Tensor leaf(std::vector<double> values) { return tensor(values).set_requires_grad(); }

TEST(Autograd, ProductRule) {
  const Tensor x = leaf({2, 3});
  const Tensor y = leaf({5, 7});
  sum(x * y + x).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{6, 8}));
  EXPECT_EQ(y.grad().to_vector<double>(), (std::vector<double>{2, 3}));
}

TEST(Autograd, GradientsAccumulateUntilCleared) {
  Tensor x = leaf({2});
  sum(x * x).backward();
  sum(x * x).backward();
  EXPECT_EQ(x.grad().item<double>(), 8);
  x.set_grad({});
  EXPECT_FALSE(x.grad().defined());
  sum(x * x).backward();
  EXPECT_EQ(x.grad().item<double>(), 4);
}

TEST(Autograd, FirstGradientDoesNotShareMemoryWithItsSource) {
  const Tensor x = leaf({1, 2});
  const Tensor y = leaf({3, 4});
  const Tensor seed = tensor(std::vector<double>{10, 20});
  (x + y).backward(seed);
  EXPECT_NE(x.grad().array().storage(), y.grad().array().storage());
  EXPECT_NE(x.grad().array().storage(), seed.array().storage());
  EXPECT_EQ(x.grad().to_vector<double>(), seed.to_vector<double>());
}

TEST(Autograd, RecordedGradientsOfTwoLeavesAreApart) {
  const Tensor x = leaf({1, 2});
  const Tensor y = leaf({3, 4});
  sum(x + y).backward({}, {.create_graph = true});
  sum(x).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{2, 2}));
  EXPECT_EQ(y.grad().to_vector<double>(), (std::vector<double>{1, 1}));
}

TEST(Autograd, SharedPathIsSummedOnce) {
  const Tensor x = leaf({3});
  const Tensor a = x * x;
  const Tensor b = a * a;
  sum(a + b).backward();  // 2x + 4x^3
  EXPECT_EQ(x.grad().item<double>(), 6 + 108);
}

TEST(Autograd, SecondBackwardNeedsRetainGraph) {
  const Tensor x = leaf({3});
  const Tensor y = sum(x * x);
  y.backward({}, {.retain_graph = true});
  y.backward();
  EXPECT_EQ(x.grad().item<double>(), 12);
  EXPECT_EQ(code_of([&] { y.backward(); }), ErrorCode::kState);
}

TEST(Autograd, SecondDerivative) {
  const Tensor x = leaf({2});
  const Tensor y = sum(x * x * x);
  const Tensor first = grad({y}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(first.item<double>(), 12);
  const Tensor second = grad({sum(first)}, {x}, {}, {.create_graph = true})[0];
  EXPECT_EQ(second.item<double>(), 12);
  EXPECT_EQ(grad({sum(second)}, {x})[0].item<double>(), 6);
  EXPECT_FALSE(x.grad().defined());
}

TEST(Autograd, InPlaceWriteToASavedTensorIsFound) {
  const Tensor x = leaf({1, 2});
  Tensor y = exp(x);
  const Tensor z = sum(y * y);
  y.mutable_array().fill(0);
  EXPECT_EQ(code_of([&] { z.backward(); }), ErrorCode::kState);
}

TEST(Autograd, InPlaceWriteThroughAViewIsFound) {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 2;
  const Tensor z = sum(y * y);
  {
    const NoGradGuard no_grad;
    y[0].fill_(7);
  }
  EXPECT_EQ(code_of([&] { z.backward(); }), ErrorCode::kState);
}

TEST(Autograd, OverwrittenValuesGetZeros) {
  const Tensor x = leaf({1, 2});
  (x * 2).fill_(3).backward(ones_like(x));
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 0}));
  const Tensor y = leaf({1, 2});
  (y * 2).copy_(ones_like(y)).backward(ones_like(y));
  EXPECT_EQ(y.grad().to_vector<double>(), (std::vector<double>{0, 0}));
  // A count has no slope: PyTorch states no gradient.
  const Tensor z = leaf({1, 2});
  norm(z, 0).backward();
  EXPECT_FALSE(z.grad().defined());
}

TEST(Autograd, InPlaceWriteToAnUnneededTensorIsFine) {
  const Tensor x = leaf({1, 2});
  Tensor y = x * 2;
  const Tensor z = sum(y + 1);
  const NoGradGuard no_grad;
  y.zero_();
  z.backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{2, 2}));
}

TEST(Autograd, ALeafThatRequiresGradIsWrittenOnlyWithoutGradMode) {
  Tensor x = leaf({1, 2});
  EXPECT_EQ(code_of([&] { x.add_(1); }), ErrorCode::kState);
  EXPECT_EQ(x.to_vector<double>(), (std::vector<double>{1, 2}));
  const NoGradGuard no_grad;
  x.add_(1).mul_(tensor(std::vector<double>{10, 100}));
  EXPECT_EQ(x.to_vector<double>(), (std::vector<double>{20, 300}));
  EXPECT_TRUE(x.is_leaf());
}

TEST(Autograd, RecordedWriteNeedsMemoryOfItsOwn) {
  const Tensor x = leaf({1, 2});
  Tensor y = x * 2;
  Tensor view = y[0];
  EXPECT_EQ(code_of([&] { view.mul_(3); }), ErrorCode::kState);
  EXPECT_EQ(code_of([&] { y.mul_(3); }), ErrorCode::kState);
  EXPECT_EQ(y.to_vector<double>(), (std::vector<double>{2, 4}));
}

TEST(Autograd, WritesRefuseDTypesThatDoNotFit) {
  Tensor integers = tensor({1, 2});
  EXPECT_EQ(code_of([&] { integers.add_(0.5); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { integers.mul_(tensor({0.5, 0.5})); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { integers.div_(2); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { integers.add_(zeros({3}, {.dtype = kInt64})); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { integers.copy_(zeros({3})); }), ErrorCode::kShapeMismatch);
}

TEST(Autograd, HistoryOfWritesReleasesItsMemory) {
  const Array watched = Array::ones({2}, kFloat64);
  {
    const Tensor factor = Tensor(watched).set_requires_grad();
    Tensor y = factor * 2;
    y.mul_(factor).add_(factor);
    sum(y).backward();
  }
  EXPECT_EQ(watched.storage().use_count(), 1U);
}

TEST(Autograd, ResultsSavedForBackwardMakeNoCycle) {
  std::uint32_t users = 0;
  Array data;
  {
    const Tensor x = leaf({1, 2});
    const Tensor y = exp(x);
    data = y.array();
    users = data.storage().use_count();
  }
  EXPECT_EQ(users, 3U);  // y, its node, `data`
  EXPECT_EQ(data.storage().use_count(), 1U);
}

TEST(Autograd, NothingIsRecordedWithoutGradMode) {
  const Tensor x = leaf({1});
  const NoGradGuard no_grad;
  EXPECT_FALSE((x * x).requires_grad());
  const EnableGradGuard enable;
  EXPECT_TRUE((x * x).requires_grad());
}

TEST(Autograd, GradModeBelongsToTheThread) {
  const NoGradGuard no_grad;
  bool elsewhere = false;
  std::thread([&] { elsewhere = is_grad_enabled(); }).join();
  EXPECT_TRUE(elsewhere);
  EXPECT_FALSE(is_grad_enabled());
}

TEST(Autograd, LeavesAndNames) {
  Tensor x = leaf({1});
  Tensor y = exp(x);
  EXPECT_TRUE(x.is_leaf());
  EXPECT_FALSE(y.is_leaf());
  EXPECT_EQ(x.grad_fn_name(), "");
  EXPECT_EQ(y.grad_fn_name(), "exp");
  EXPECT_FALSE(y.detach().requires_grad());
  EXPECT_EQ(y.detach().array().storage(), y.array().storage());
  EXPECT_EQ(code_of([&] { y.set_requires_grad(false); }), ErrorCode::kState);
  EXPECT_EQ(code_of([&] { tensor({1, 2}).set_requires_grad(); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { Tensor().array(); }), ErrorCode::kState);
  EXPECT_EQ(code_of([&] { Tensor().set_grad(x); }), ErrorCode::kState);
  x.set_requires_grad(false);
  EXPECT_FALSE((x * 2).requires_grad());
}

TEST(Autograd, NonLeavesKeepTheirGradientOnRequest) {
  const Tensor x = leaf({3});
  Tensor y = x * x;
  y.retain_grad();
  sum(y * y).backward();
  EXPECT_EQ(y.grad().item<double>(), 18);
  EXPECT_EQ(x.grad().item<double>(), 108);
  EXPECT_EQ(code_of([] { tensor({1.0}).retain_grad(); }), ErrorCode::kState);
}

TEST(Autograd, HooksSeeAndReplaceGradients) {
  Tensor x = leaf({3});
  Tensor y = x * x;
  std::vector<double> seen;
  y.register_hook([&](const Tensor& g) {
    seen.push_back(g.item<double>());
    return g * 10;
  });
  x.register_hook([&](const Tensor& g) {
    seen.push_back(g.item<double>());
    return Tensor();
  });
  sum(y + y).backward();
  EXPECT_EQ(seen, (std::vector<double>{2, 120}));
  EXPECT_EQ(x.grad().item<double>(), 120);
  EXPECT_EQ(code_of([] { tensor({1.0}).register_hook([](const Tensor& g) { return g; }); }),
            ErrorCode::kState);
}

TEST(Autograd, BackwardInsideAHook) {
  const Tensor x = leaf({3});
  const Tensor w = leaf({2});
  Tensor y = x * w;
  y.register_hook([&](const Tensor&) {
    const EnableGradGuard enable;
    sum(w * w).backward();
    return Tensor();
  });
  sum(y * w).backward();
  EXPECT_EQ(x.grad().item<double>(), 4);
  EXPECT_EQ(w.grad().item<double>(), 4 + 12);
}

TEST(Autograd, BackwardChecksItsArguments) {
  const Tensor x = leaf({1, 2});
  const Tensor y = x * 2;
  EXPECT_EQ(code_of([&] { y.backward(); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { y.backward(zeros({3}, {.dtype = kFloat64})); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { y.backward(zeros({2})); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { x.detach().backward(); }), ErrorCode::kState);
  EXPECT_EQ(code_of([&] {
              backward(std::vector<Tensor>{y, y}, std::vector<Tensor>{y});
            }),
            ErrorCode::kInvalidArgument);
}

TEST(Autograd, SettingGradChecksIt) {
  Tensor x = leaf({1, 2});
  EXPECT_EQ(code_of([&] { x.set_grad(zeros({3}, {.dtype = kFloat64})); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { x.set_grad(zeros({2})); }), ErrorCode::kDTypeMismatch);
  x.set_grad(tensor(std::vector<double>{5, 6}));
  sum(x).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{6, 7}));
}

TEST(Autograd, GradOfChosenInputsOnly) {
  const Tensor x = leaf({3});
  const Tensor w = leaf({2});
  const Tensor y = x * x;
  const Tensor z = sum(y * w);
  const std::vector<Tensor> found = grad({z}, {y, x}, {}, {.retain_graph = true});
  EXPECT_EQ(found[0].item<double>(), 2);
  EXPECT_EQ(found[1].item<double>(), 12);
  EXPECT_FALSE(w.grad().defined());
  EXPECT_EQ(
      grad({z, z}, {w}, {tensor(std::vector<double>{1}).view({}), tensor(std::vector<double>{2}).view({})},
           {.retain_graph = true})[0]
          .item<double>(),
      27);
  const Tensor unused = leaf({1});
  EXPECT_EQ(code_of([&] { grad({z}, {unused}, {}, {.retain_graph = true}); }), ErrorCode::kState);
  EXPECT_FALSE(grad({z}, {unused}, {}, {.retain_graph = true, .allow_unused = true})[0].defined());
  EXPECT_EQ(code_of([&] { grad({z}, {x.detach()}); }), ErrorCode::kState);
  EXPECT_EQ(code_of([&] { grad({z}, {}); }), ErrorCode::kInvalidArgument);
}

TEST(Autograd, AnomalyModeNamesTheOperation) {
  const Tensor x = leaf({0, 4});
  const Tensor y = sum(mul(sqrt(x), 0.0));
  y.backward({}, {.retain_graph = true});  // 0 / 0 passes silently
  const AnomalyGuard anomaly;
  try {
    y.backward();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNumeric);
    EXPECT_NE(error.text().find("sqrt"), std::string::npos);
  }
}

TEST(Autograd, AnomalyModeNamesTheOperationThatMadeANaNInTheForwardPass) {
  const auto message = [](const std::function<void()>& f) {
    try {
      f();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNumeric);
      return error.text();
    }
    return std::string();
  };
  const Tensor x = leaf({0, -1});
  const Tensor nan = log(x);  // nobody looks outside anomaly mode
  const AnomalyGuard anomaly;
  EXPECT_TRUE(message([&] { log(x); }).starts_with("log made a NaN")) << message([&] { log(x); });
  EXPECT_TRUE(message([&] { x / x; }).starts_with("div made a NaN"));
  EXPECT_TRUE(message([&] { stack({x, sqrt(x)}); }).starts_with("sqrt made a NaN"));
  Tensor product = x * 1.0;
  EXPECT_TRUE(message([&] { product.div_(x); }).starts_with("div_ made a NaN"));
  // It is not the maker who passes one on.
  EXPECT_EQ(message([&] { exp(nan); }), "");
  EXPECT_EQ(message([&] { x* tensor(std::vector<double>{NAN, 1}); }), "");
}

TEST(Autograd, AnomalyModeNamesTheDerivativeThatRecordedAnOperation) {
  const AnomalyGuard anomaly;
  const Tensor x = leaf({0});
  const Tensor slope = grad({sum(pow(x, 1.5))}, {x}, {}, {.create_graph = true})[0];
  const Tensor scaled = sum(mul(slope, 0.0));
  try {
    scaled.backward();
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNumeric);
    EXPECT_NE(error.text().find("recorded by the derivative of pow"), std::string::npos) << error.text();
  }
}

TEST(Autograd, ForwardInSeveralThreadsAtOnce) {
  const Tensor w = randn({16, 16}, {.requires_grad = true});
  const Tensor x = randn({4, 16});
  const Array expected = relu(matmul(x, w)).array();
  std::vector<std::thread> threads;
  std::vector<int> agrees(4, 0);
  for (int& same : agrees) {
    threads.emplace_back([&] {
      const NoGradGuard no_grad;
      same = 1;
      for (int i = 0; i < 50; ++i) same &= relu(matmul(x, w)).array().same_bits(expected) ? 1 : 0;
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(agrees, (std::vector<int>(4, 1)));
}

TEST(Autograd, LongChainsNeitherRecurseForwardNorBackward) {
  Tensor x = leaf({1});
  {
    Tensor y = x;
    for (int i = 0; i < 1'000'000; ++i) y = y + 1.0;
    y.backward();
    EXPECT_EQ(x.grad().item<double>(), 1);
  }
  Tensor y = x;
  for (int i = 0; i < 300'000; ++i) y = y * y;  // keeps its inputs, too
}

}  // namespace
}  // namespace sconce
