#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "sconce/tensor/ops.h"

namespace sconce {
namespace {

template <class F>
ErrorCode code_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInterrupted;
}

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
