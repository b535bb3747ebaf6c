// ReLU after a convolution in planes may wait, and joins max-pooling: nobody can tell.
#include "tensor/unseen.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>
#include <utility>
#include <vector>

#include "sconce/kernels/elementwise.h"
#include "sconce/kernels/pool.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/conv.h"
#include "sconce/tensor/fusion.h"
#include "sconce/tensor/ops.h"
#include "sconce/tensor/pool.h"
#include "support/fusion_scope.h"
#include "support/kernel_testing.h"

namespace sconce {
namespace {

using test::code_of;
using test::FusionScope;
using test::Random;

// What a test looks at, besides the result.
enum class Seen { kAtNothing, kAtConvolution, kAtRelu, kAtBoth };
constexpr Seen kLooks[] = {Seen::kAtNothing, Seen::kAtConvolution, Seen::kAtRelu, Seen::kAtBoth};

bool looks_at(Seen look, Seen what) { return look == what || look == Seen::kAtBoth; }

Tensor random_leaf(Random& random, const Shape& shape) {
  Tensor out = random.normal(shape);
  return out.set_requires_grad();
}

// Convolutions of few channels with everything that may follow one.
struct FewChannels {
  Tensor image, first, second, bias;
  explicit FewChannels(Random& random)
      : image(random_leaf(random, {4, 3, 26, 26})),
        first(random_leaf(random, {6, 3, 5, 5})),
        second(random_leaf(random, {5, 6, 3, 3})),
        bias(random_leaf(random, {6})) {}

  // `branches`: ReLU's result is used by others, too.
  Tensor forward(Seen look, bool branches, Pair window) const {
    const Tensor c = conv2d(image, first, bias);
    if (looks_at(look, Seen::kAtConvolution)) (void)c.array();
    const Tensor y = relu(c);
    if (looks_at(look, Seen::kAtRelu)) (void)y.array();
    const Tensor p = max_pool2d(y, window, {.stride = 2});
    Tensor out = relu(conv2d(p, second));
    if (branches) out = sum(out) + sum(y * y) + sum(c * 0.5) + sum(max_pool2d(y, 3));
    return sum(out * out);
  }
};

std::vector<Array> trained(Seen look, bool branches, Pair window) {
  Random random(1);
  const FewChannels network(random);
  const Tensor loss = network.forward(look, branches, window);
  loss.backward();
  std::vector<Array> out{loss.array()};
  for (const Tensor& t : {network.image, network.first, network.second, network.bias})
    out.push_back(t.grad().array());
  return out;
}

void expect_equal(const std::vector<Array>& found, const std::vector<Array>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(found[i].same_bits(expected[i])) << i;
}

TEST(Unseen, FusionAndLookingChangeNoBit) {
  for (const bool branches : {false, true}) {
    for (const Pair window : {Pair(2), Pair(3)}) {
      const auto expected = [&] {
        const FusionScope off(false);
        return trained(Seen::kAtNothing, branches, window);
      }();
      for (const Seen look : kLooks) {
        SCOPED_TRACE(cat("branches ", branches, " window ", window.h, " look ", static_cast<int>(look)));
        expect_equal(trained(look, branches, window), expected);
      }
    }
  }
}

TEST(Unseen, SecondDerivativesAreTheSame) {
  const auto second = [](bool fuses) {
    const FusionScope scope(fuses);
    Random random(2);
    const FewChannels network(random);
    const Tensor loss = network.forward(Seen::kAtNothing, false, 2);
    const std::vector<Tensor> leaves{network.image, network.first, network.second, network.bias};
    const std::vector<Tensor> first = grad(std::span(&loss, 1), leaves, {}, {.create_graph = true});
    Tensor penalty = sum(first[0] * first[0]);
    for (std::size_t i = 1; i < first.size(); ++i) penalty = penalty + sum(first[i] * first[i]);
    penalty.backward();
    std::vector<Array> out;
    for (const Tensor& t : leaves) out.push_back(t.grad().array());
    return out;
  };
  expect_equal(second(true), second(false));
}

TEST(Unseen, WaitsUntilSomebodyLooks) {
  Random random(3);
  const NoGradGuard no_grad;
  const auto convolved = [&] { return conv2d(random.normal({4, 3, 26, 26}), random.normal({6, 3, 5, 5})); };
  const auto waits = [](const Tensor& t) {
    return Unseen::find(t) != nullptr && Unseen::find(t)->peek().needs_relu;
  };
  Tensor c = convolved();
  const Tensor y = relu(c);
  EXPECT_TRUE(waits(y));
  EXPECT_EQ(y.shape(), c.shape());
  EXPECT_EQ(y.dtype(), kFloat32);
  EXPECT_EQ(y.numel(), c.numel());
  (void)max_pool2d(y, 2);
  EXPECT_TRUE(waits(y));
  (void)y.array();
  EXPECT_FALSE(waits(y));
  // Whose numbers were seen may be written to: nothing waits for it.
  c = convolved();
  (void)c.array();
  EXPECT_FALSE(waits(relu(c)));
  EXPECT_FALSE(waits(relu(relu(convolved()))));
  EXPECT_FALSE(waits(relu(conv2d(random.normal({1, 3, 8, 8}), random.normal({6, 3, 5, 5})))));  // small
  // The memory of a convolution that nobody holds is used again.
  c = convolved();
  const std::byte* place = Unseen::find(c)->peek().array.raw();
  Tensor z = relu(c);
  c = Tensor();
  EXPECT_EQ(z.array().raw(), place);
  c = convolved();
  place = Unseen::find(c)->peek().array.raw();
  z = relu(c);
  EXPECT_NE(z.array().raw(), place);
  const FusionScope off(false);
  EXPECT_FALSE(waits(relu(convolved())));
}

TEST(Unseen, WritesAfterReluAreNotItsAffair) {
  for (const bool looks : {false, true}) {
    Random random(4);
    const NoGradGuard no_grad;
    Tensor c = conv2d(random.normal({4, 3, 26, 26}), random.normal({6, 3, 5, 5}));
    const Array before = Unseen::find(c)->peek().array.clone();
    const Tensor y = relu(c);
    const Tensor again = relu(c);
    if (looks) (void)c.array();
    const Array seen = looks ? c.array() : Array();
    c.add_(1);
    EXPECT_TRUE(c.array().same_bits(kernels::add(before, Array::scalar(1.0F))));
    EXPECT_TRUE(!looks || seen.same_bits(c.array()));  // one memory, as of any tensor
    const auto expected = kernels::max_pool2d(kernels::relu(before), {2, 2, 0, 1}, false);
    EXPECT_TRUE(max_pool2d(y, 2).array().same_bits(expected.values));
    EXPECT_TRUE(y.array().same_bits(kernels::relu(before)));
    EXPECT_TRUE(again.array().same_bits(kernels::relu(before)));
  }
}

TEST(Unseen, RecordedWritesAreAllowedAndNoticed) {
  Random random(5);
  const Tensor image = random_leaf(random, {4, 3, 26, 26});
  const Tensor weight = random_leaf(random, {6, 3, 5, 5});
  // ReLU keeps its result, not what it was applied to.
  Tensor c = conv2d(image, weight);
  Tensor y = relu(c);
  c.add_(1);
  EXPECT_EQ(c.grad_fn_name(), "add_");
  sum(max_pool2d(y, 2)).backward();
  // What ReLU keeps must not be written to, whoever pooled it before.
  c = conv2d(image, weight);
  y = relu(c);
  const Tensor p = max_pool2d(y, 2);
  EXPECT_EQ(code_of([&] { y.add_(1); }), ErrorCode::kState);
  {
    const NoGradGuard no_grad;
    y.add_(1);
  }
  EXPECT_EQ(code_of([&] { sum(p).backward(); }), ErrorCode::kState);
  // What was pooled may be.
  Tensor q = max_pool2d(relu(conv2d(image, weight)), 2);
  q.mul_(2);
  sum(q).backward();
}

TEST(Unseen, HooksSeeAndChangeGradients) {
  enum class Change { kNothing, kReplaces, kWrites };
  const auto run = [](bool fuses, Change change) {
    const FusionScope scope(fuses);
    Random random(6);
    const Tensor image = random_leaf(random, {4, 3, 26, 26});
    const Tensor weight = random_leaf(random, {6, 3, 5, 5});
    Tensor c = conv2d(image, weight);
    c.retain_grad();
    Tensor y = relu(c);
    const Tensor p = max_pool2d(y, 2);
    y.retain_grad();  // after it was pooled
    std::vector<Array> seen;
    y.register_hook([&](const Tensor& grad) {
      seen.push_back(grad.array().clone());
      if (change == Change::kWrites) grad.detach().mul_(2);
      return change == Change::kReplaces ? grad * 2 : Tensor();
    });
    p.backward(Tensor(random.normal(p.shape())));
    seen.push_back(y.grad().array());
    seen.push_back(c.grad().array());
    seen.push_back(image.grad().array());
    seen.push_back(weight.grad().array());
    return seen;
  };
  for (const Change change : {Change::kNothing, Change::kReplaces, Change::kWrites}) {
    expect_equal(run(true, change), run(false, change));
  }
}

TEST(Unseen, AnomaliesAreFound) {
  Random random(7);
  Tensor image = random.normal({4, 3, 26, 26});
  Tensor weight = full({6, 3, 5, 5}, INFINITY).set_requires_grad();
  const AnomalyGuard anomaly;
  EXPECT_EQ(code_of([&] { (void)max_pool2d(relu(conv2d(image, weight)), 2); }), ErrorCode::kNumeric);
}

TEST(UnseenThreads, MayLookAtOnce) {
  Random random(8);
  for (int round = 0; round < 20; ++round) {
    const NoGradGuard no_grad;
    Tensor c = conv2d(random.normal({4, 3, 26, 26}), random.normal({6, 3, 5, 5}));
    const Array plain = Unseen::find(c)->peek().array.clone();
    const Tensor y = relu(c);
    const Tensor z = relu(c);
    if (round % 2 == 0) c = Tensor();
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] { (void)y.array().raw(); });
      threads.emplace_back([&] { (void)max_pool2d(y, 2); });
      threads.emplace_back([&] { (void)z.array().raw(); });
      if (c.defined()) threads.emplace_back([&] { (void)c.array().raw(); });
      if (c.defined()) threads.emplace_back([&] { (void)relu(c); });
    }
    for (std::thread& thread : threads) thread.join();
    const Array rectified = kernels::relu(plain);
    EXPECT_TRUE(y.array().same_bits(rectified));
    EXPECT_TRUE(z.array().same_bits(rectified));
    EXPECT_TRUE(!c.defined() || c.array().same_bits(plain));
  }
}

}  // namespace
}  // namespace sconce
