// Tensors that stand in blocks of channels: whoever looks sees plain numbers, and nobody can tell when.
#include "sconce/tensor/blocks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "sconce/kernels/blocked.h"
#include "sconce/kernels/elementwise.h"
#include "sconce/tensor/autograd.h"
#include "sconce/tensor/batch_norm.h"
#include "sconce/tensor/conv.h"
#include "sconce/tensor/fusion.h"
#include "sconce/tensor/ops.h"
#include "sconce/tensor/pool.h"
#include "support/fusion_scope.h"
#include "support/kernel_testing.h"
#include "tensor/in_blocks.h"

namespace sconce {
namespace {

using kernels::Backend;
using test::BackendScope;
using test::code_of;
using test::FusionScope;
using test::Random;
using test::relative_difference;
using test::ThreadsScope;

// What a test looks at: nothing, or every tensor as soon as it is there.
using Look = void (*)(const Tensor&);
void look_away(const Tensor&) {}
void look(const Tensor& x) { (void)x.array().raw(); }

class BlocksTest : public testing::Test {
 protected:
  void SetUp() override {
    if (kernels::blocked::block_size() == 0) GTEST_SKIP() << "no blocks without vector registers";
  }
  static Tensor leaf(Random& random, const Shape& shape, double scale = 1) {
    Tensor out = random.normal(shape);
    out.mul_(scale);
    return out.set_requires_grad();
  }
};

// A network with everything that knows blocks, and something that does not.
struct Network {
  Tensor image, first, second, third, gain, offset, bias;
  Tensor mean = zeros({16}), variance = ones({16});

  explicit Network(Random& random, const Shape& shape = {3, 3, 14, 14}) {
    const auto leaf = [&](const Shape& of, double scale) {
      Tensor out = random.normal(of);
      out.mul_(scale);
      return out.set_requires_grad();
    };
    image = leaf(shape, 1);
    first = leaf({16, 3, 3, 3}, 0.2);
    second = leaf({16, 16, 3, 3}, 0.1);
    third = leaf({32, 16, 3, 3}, 0.1);
    gain = leaf({16}, 1);
    offset = leaf({16}, 1);
    bias = leaf({32}, 1);
  }
  std::vector<Tensor> leaves() const { return {image, first, second, third, gain, offset, bias}; }

  Tensor forward(Look seen) {
    const auto watch = [&](const Tensor& x) {
      seen(x);
      return x;
    };
    Tensor x = watch(conv2d(image, first, {}, {.padding = 1}));
    x = watch(relu(x));
    Tensor y = watch(conv2d(x, second, {}, {.padding = 1}));
    y = watch(batch_norm(y, mean, variance, gain, offset, {.training = true}));
    x = watch(relu(watch(x + y)));
    y = watch(relu(watch(batch_norm(x, mean, variance, gain, offset, {.training = false}))));
    x = watch(watch(batch_norm(y, mean, variance, {}, {}, {.training = true})) +
              watch(batch_norm(x, mean, variance, gain, {}, {.training = true})));
    x = watch(relu(watch(x + x)));
    x = watch(max_pool2d(x, 3, {.stride = 2, .padding = 1}));
    x = watch(conv2d(x, third, bias, {.padding = 1}));
    x = watch(avg_pool2d(x, 2));
    x = watch(x * 0.5);
    return adaptive_avg_pool2d(x, 1).flatten(1);
  }
};

struct Result {
  Array out;
  std::vector<Array> gradients;
};

Result run(Look seen, const Shape& shape = {3, 3, 14, 14}) {
  Random random(3);
  Network network(random, shape);
  const Tensor out = network.forward(seen);
  out.backward(Tensor(random.normal(out.shape())));
  Result result{out.array(), {}};
  for (const Tensor& leaf : network.leaves()) result.gradients.push_back(leaf.grad().array());
  result.gradients.push_back(network.mean.array());
  result.gradients.push_back(network.variance.array());
  return result;
}

TEST_F(BlocksTest, ConvolutionsMakeThem) {
  Random random(1);
  const Tensor x = random.normal({2, 16, 8, 8});
  const Tensor y = conv2d(x, random.normal({16, 16, 3, 3}));
  ASSERT_NE(InBlocks::find(y), nullptr);
  EXPECT_NE(InBlocks::find(relu(y)), nullptr);
  EXPECT_NE(InBlocks::find(y + y), nullptr);
  EXPECT_NE(InBlocks::find(max_pool2d(y, 2)), nullptr);
  EXPECT_EQ(InBlocks::find(y * 2), nullptr);
  EXPECT_EQ(y.shape(), (Shape{2, 16, 6, 6}));
  EXPECT_EQ(y.size(-1), 6);
  EXPECT_EQ(y.rank(), 4U);
  EXPECT_EQ(y.numel(), 2 * 16 * 36);
  EXPECT_EQ(y.dtype(), kFloat32);
  EXPECT_TRUE(y.is_contiguous());
  EXPECT_EQ(y.strides(), (Strides{16 * 36, 36, 6, 1}));
  EXPECT_EQ(y.view({2, -1}).array().raw(), y.array().raw());
}

TEST_F(BlocksTest, LookingChangesNothing) {
  for (const Shape& shape : {Shape{3, 3, 14, 14}, Shape{1, 3, 9, 12}}) {
    const Result away = run(look_away, shape);
    const Result seen = run(look, shape);
    EXPECT_TRUE(away.out.same_bits(seen.out));
    for (std::size_t i = 0; i < away.gradients.size(); ++i) {
      EXPECT_TRUE(away.gradients[i].same_bits(seen.gradients[i])) << i;
    }
  }
}

TEST_F(BlocksTest, FusionChangesNoBit) {
  for (const Shape& shape : {Shape{3, 3, 14, 14}, Shape{1, 3, 9, 12}}) {
    for (const int threads : {1, 2}) {
      const ThreadsScope scope(threads);
      const Result joined = run(look_away, shape);
      const FusionScope off(false);
      const Result apart = run(look_away, shape);
      EXPECT_TRUE(joined.out.same_bits(apart.out));
      for (std::size_t i = 0; i < joined.gradients.size(); ++i) {
        EXPECT_TRUE(joined.gradients[i].same_bits(apart.gradients[i])) << i;
      }
    }
  }
}

// What a network in eval mode gives, with everything kept, looked at from the last to the first or not at
// all.
std::vector<Array> infer(bool looks) {
  const NoGradGuard no_grad;
  Random random(12);
  std::vector<Tensor> seen;
  const auto keep = [&](Tensor x) {
    if (looks) seen.push_back(x);
    return x;
  };
  const auto norm = [&](const Tensor& x) {
    return keep(batch_norm(x, random.normal({16}), ones({16}), random.normal({16}), random.normal({16}), {}));
  };
  const auto conv = [&](const Tensor& x) {
    return keep(conv2d(x, random.normal({16, x.size(1), 3, 3}), {}, {.padding = 1}));
  };
  Tensor x = keep(relu(norm(conv(random.normal({2, 3, 10, 10})))));
  for (int i = 0; i < 3; ++i) {
    const Tensor y = norm(conv(keep(relu(norm(conv(x))))));
    x = keep(relu(keep(y + (i == 1 ? norm(conv(x)) : x))));
  }
  std::vector<Array> out{x.array()};
  for (std::size_t i = seen.size(); i-- > 0;) out.push_back(seen[i].array());
  return out;
}

TEST_F(BlocksTest, WhatIsKeptIsNeverOverwritten) {
  const std::vector<Array> found = infer(true);
  const std::vector<Array> alone = infer(false);
  const FusionScope off(false);
  const std::vector<Array> expected = infer(true);
  EXPECT_TRUE(alone[0].same_bits(expected[0]));
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(found[i].same_bits(expected[i])) << i;
}

TEST_F(BlocksTest, WhatWaitsIsOfTheTimeItWasAskedFor) {
  const NoGradGuard no_grad;
  const auto run_once = [&](bool fuses) {
    const FusionScope scope(fuses);
    Random same(14);
    Tensor x = conv2d(same.normal({1, 16, 6, 6}), same.normal({16, 16, 3, 3}));
    Tensor gain = same.normal({16});
    Tensor offset = same.normal({16});
    Tensor mean = same.normal({16});
    Tensor variance = ones({16});
    const Tensor other = same.normal({1, 16, 4, 4});
    const Tensor y = batch_norm(x, mean, variance, gain, offset, {});
    const Tensor z = relu(y + other);
    // Whatever is written now is not meant.
    for (Tensor t : {x, gain, offset, mean, variance, other}) t.mul_(3);
    return std::vector<Array>{z.array(), y.array()};
  };
  const auto found = run_once(true);
  const auto expected = run_once(false);
  EXPECT_TRUE(found[0].same_bits(expected[0]));
  EXPECT_TRUE(found[1].same_bits(expected[1]));
}

TEST_F(BlocksTest, FactsNeedNoNumbers) {
  Random random(15);
  const NoGradGuard no_grad;
  const Tensor x = conv2d(random.normal({2, 3, 6, 6}), random.normal({16, 3, 3, 3}), {}, {.padding = 1});
  const Tensor y = relu(x + x);
  const auto waits = [](const Tensor& t) { return InBlocks::blocks(t).joined().has_relu; };
  ASSERT_TRUE(waits(y));
  EXPECT_EQ(y.shape(), (Shape{2, 16, 6, 6}));
  EXPECT_EQ(y.numel(), 2 * 16 * 36);
  EXPECT_EQ(y.dtype(), kFloat32);
  EXPECT_FALSE(y.requires_grad());
  EXPECT_TRUE(waits(y));
  (void)y.array();
  EXPECT_FALSE(waits(y));
  const FusionScope off(false);
  EXPECT_FALSE(waits(relu(x)));
}

TEST_F(BlocksTest, EqualThePlainLoops) {
  const Result found = run(look_away);
  const BackendScope scope(Backend::kReference);
  const Result expected = run(look_away);
  EXPECT_LT(relative_difference(found.out, expected.out), 1e-5);
  for (std::size_t i = 0; i < found.gradients.size(); ++i) {
    EXPECT_LT(relative_difference(found.gradients[i], expected.gradients[i]), 5e-5) << i;
  }
}

TEST_F(BlocksTest, SecondDerivativesEqualThePlainLoops) {
  const auto second = [] {
    Random random(4);
    Network network(random);
    const Tensor out = network.forward(look_away);
    const Tensor loss = sum(out * out);
    const auto leaves = network.leaves();
    const std::vector<Tensor> first = grad(std::span(&loss, 1), leaves, {}, {.create_graph = true});
    Tensor penalty = sum(first[0] * first[0]);
    for (std::size_t i = 1; i < first.size(); ++i) penalty = penalty + sum(first[i] * first[i]);
    penalty.backward();
    std::vector<Array> out_gradients;
    for (const Tensor& leaf : leaves) out_gradients.push_back(leaf.grad().array());
    return out_gradients;
  };
  const auto found = second();
  const BackendScope scope(Backend::kReference);
  const auto expected = second();
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_LT(relative_difference(found[i], expected[i]), 1e-3) << i;
}

TEST_F(BlocksTest, EmptyAndTinyImages) {
  Random random(11);
  for (const Shape& shape : {Shape{0, 16, 6, 6}, Shape{1, 16, 3, 3}, Shape{2, 3, 3, 3}}) {
    const Tensor x = leaf(random, shape);
    const Tensor w = leaf(random, {16, shape[1], 3, 3});
    const Tensor gain = leaf(random, {16});
    const auto run_once = [&] {
      Tensor y = relu(conv2d(x, w, {}, {.padding = 1}));
      y = max_pool2d(batch_norm(y, zeros({16}), ones({16}), gain, {}, {}), 2);
      y.backward(ones_like(y));
      const std::vector<Array> out{y.array(), x.grad().array(), w.grad().array()};
      Tensor(x).set_grad({});
      Tensor(w).set_grad({});
      return out;
    };
    const auto found = run_once();
    const BackendScope scope(Backend::kReference);
    const auto expected = run_once();
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_LT(relative_difference(found[i], expected[i]), 1e-5) << shape << " " << i;
    }
  }
  const Tensor w = random.normal({16, 16, 3, 3});
  EXPECT_EQ(conv2d(random.normal({16, 6, 6}), w).shape(), (Shape{16, 4, 4}));
  EXPECT_EQ(code_of([&] {
              (void)conv2d(random.normal({1, 16, 6, 6}, kFloat64), w);
            }),
            ErrorCode::kDTypeMismatch);
}

TEST_F(BlocksTest, HooksSeePlainGradients) {
  Random random(5);
  const Tensor w = leaf(random, {16, 16, 3, 3});
  const Tensor x = leaf(random, {1, 16, 6, 6});
  Tensor y = relu(conv2d(x, w));
  Shape seen;
  y.register_hook([&](const Tensor& g) {
    seen = g.shape();
    return g * 2;
  });
  y.retain_grad();
  const Tensor z = conv2d(y, w);
  z.backward(ones_like(z));
  EXPECT_EQ(seen, y.shape());
  EXPECT_EQ(y.grad().shape(), y.shape());
  const Array doubled = x.grad().array();
  x.detach();
  Tensor again = x;
  again.set_grad({});
  const Tensor plain = conv2d(relu(conv2d(x, w)), w);
  plain.backward(ones_like(plain));
  EXPECT_LT(relative_difference(doubled, (x.grad() * 2).array()), 1e-6);
}

TEST_F(BlocksTest, GradientsThatAreHeldStay) {
  const auto train = [](bool holds, const Shape& shape) {
    Random random(3);
    Network network(random, shape);
    std::vector<std::pair<Tensor, Array>> held;
    std::vector<Tensor> outputs;
    Tensor x = network.image;
    const auto watch = [&](Tensor t) {
      if (!holds) return t;
      t.register_hook([&held](const Tensor& grad) {
        held.emplace_back(grad, grad.array().clone());
        return Tensor();
      });
      t.retain_grad();
      outputs.push_back(t);
      return t;
    };
    // 16 channels stand in blocks, 6 in planes.
    const Tensor few = leaf(random, {6, 16, 3, 3});
    x = watch(relu(watch(conv2d(x, network.first, {}, {.padding = 1}))));
    const Tensor y =
        watch(batch_norm(x, network.mean, network.variance, network.gain, {}, {.training = true}));
    x = watch(relu(watch(x + y)));
    x = watch(relu(watch(conv2d(x, few))));
    const Tensor given = random.normal(x.shape());
    const Array before = given.array().clone();
    x.backward(given);
    EXPECT_TRUE(given.array().same_bits(before));
    EXPECT_EQ(held.size(), holds ? 7U : 0U);
    for (const auto& [grad, value] : held) EXPECT_TRUE(grad.array().same_bits(value));
    for (const Tensor& t : outputs) EXPECT_EQ(t.grad().shape(), t.shape());
    return std::vector<Array>{network.image.grad().array(), network.first.grad().array(), few.grad().array()};
  };
  for (const Shape& shape : {Shape{2, 3, 8, 8}, Shape{1, 3, 5, 9}}) {
    const auto expected = train(true, shape);
    const auto found = train(false, shape);
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(found[i].same_bits(expected[i])) << i;
  }
}

TEST_F(BlocksTest, MemoryOfOthersIsNotUsed) {
  // The gradient lies in memory of this test, and only backward holds it.
  std::vector<float> memory(16, 2.0F);
  const Tensor x = full({16}, -1.0).set_requires_grad();
  Tensor y = relu(x);
  y.register_hook([&](const Tensor&) {
    Storage storage = Storage::wrap(std::as_writable_bytes(std::span(memory)), nullptr);
    return Tensor(Array(std::move(storage), kFloat32, Geometry::contiguous({16})));
  });
  y.backward(ones({16}));
  EXPECT_EQ(x.grad().to_vector<float>(), std::vector<float>(16, 0.0F));
  EXPECT_EQ(memory, std::vector<float>(16, 2.0F));
}

TEST_F(BlocksTest, WritesAreSeenByAll) {
  Random random(6);
  const NoGradGuard no_grad;
  Tensor x = conv2d(random.normal({1, 16, 6, 6}), random.normal({16, 16, 3, 3}));
  ASSERT_NE(InBlocks::find(x), nullptr);
  const Tensor copy = x;
  Tensor detached = x.detach();
  const double before = x.index({0, 3, 1, 2}).item();
  detached.add_(1);  // shares memory with x
  EXPECT_EQ(x.index({0, 3, 1, 2}).item(), static_cast<float>(before) + 1);
  EXPECT_EQ(relu(x).index({0, 3, 1, 2}).item(), std::max(0.0F, static_cast<float>(before) + 1));
  x.mul_(2);
  EXPECT_EQ(copy.index({0, 3, 1, 2}).item(), (static_cast<float>(before) + 1) * 2);
  EXPECT_EQ(detached.index({0, 3, 1, 2}).item(), (static_cast<float>(before) + 1) * 2);
  x.fill_(3);
  EXPECT_EQ((x + x).index({0, 0, 0, 0}).item(), 6);
}

TEST_F(BlocksTest, WritesAreNoticedByBackward) {
  Random random(7);
  const Tensor w = leaf(random, {16, 16, 3, 3});
  Tensor y = conv2d(random.normal({1, 16, 8, 8}), w);
  const Tensor z = conv2d(y, w);  // keeps y
  {
    const NoGradGuard no_grad;
    y.add_(1);
  }
  EXPECT_EQ(code_of([&] { z.backward(ones_like(z)); }), ErrorCode::kState);

  Tensor kept = conv2d(random.normal({1, 16, 8, 8}), w);
  const Tensor after = conv2d(kept, w);
  EXPECT_EQ(code_of([&] { kept.add_(1); }), ErrorCode::kState);  // recorded, and shared with what is kept

  Tensor free = conv2d(random.normal({1, 16, 8, 8}), w);
  const Array values = free.array().clone();
  free.add_(1);
  EXPECT_EQ(free.grad_fn_name(), "add_");
  EXPECT_EQ(free.index({0, 0, 0, 0}).item(), values.data<float>()[0] + 1);
}

TEST_F(BlocksTest, GradientsOfOtherLayoutsAreTaken) {
  Random random(8);
  const Tensor w = leaf(random, {16, 16, 3, 3});
  const Tensor x = leaf(random, {2, 16, 6, 6});
  const Tensor y = conv2d(x, w, {}, {.padding = 1});
  y.transpose(2, 3).backward(Tensor(random.normal({2, 16, 6, 6})));
  const Array found = x.grad().array();
  EXPECT_EQ(found.shape(), x.shape());
  const BackendScope scope(Backend::kReference);
  Random again(8);
  const Tensor w2 = leaf(again, {16, 16, 3, 3});
  const Tensor x2 = leaf(again, {2, 16, 6, 6});
  conv2d(x2, w2, {}, {.padding = 1}).transpose(2, 3).backward(Tensor(again.normal({2, 16, 6, 6})));
  EXPECT_LT(relative_difference(found, x2.grad().array()), 1e-5);
}

TEST_F(BlocksTest, FiveDimensionsAreNoBlocks) {
  Random random(9);
  const Tensor x = random.normal({2, 1, 3, 3, 16});
  EXPECT_EQ(relu(x).shape(), x.shape());
  EXPECT_EQ((x + x).shape(), x.shape());
  EXPECT_EQ(code_of([&] { (void)max_pool2d(x, 2); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { (void)avg_pool2d(x, 2); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { (void)conv2d(x, random.normal({16, 16, 3, 3})); }), ErrorCode::kShapeMismatch);
}

TEST(BlocksThreads, MayComputeWhatWaitsAtOnce) {
  if (kernels::blocked::block_size() == 0) GTEST_SKIP() << "no blocks without vector registers";
  Random random(16);
  for (int round = 0; round < 20; ++round) {
    const NoGradGuard no_grad;
    const Tensor weight = random.normal({16, 16, 3, 3});
    Tensor x = conv2d(random.normal({1, 16, 20, 20}), weight);
    const Array plain = kernels::blocked::to_plain(*InBlocks::find(x));
    // Two that wait for one image, which nobody else holds, and two threads each.
    const Tensor a = relu(x);
    const Tensor b = relu(x + x);
    x = Tensor();
    std::vector<std::thread> threads;
    for (const Tensor* t : {&a, &b, &a, &b}) threads.emplace_back([t] { (void)t->array().raw(); });
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(a.array().same_bits(kernels::relu(plain)));
    EXPECT_TRUE(b.array().same_bits(kernels::relu(kernels::add(plain, plain))));
  }
}

TEST(BlocksThreads, MayLookAtOnce) {
  if (kernels::blocked::block_size() == 0) GTEST_SKIP() << "no blocks without vector registers";
  Random random(10);
  const Tensor x = conv2d(random.normal({1, 16, 20, 20}), random.normal({16, 16, 3, 3}));
  std::vector<std::thread> threads;
  std::vector<const std::byte*> seen(4);
  for (std::size_t i = 0; i < seen.size(); ++i) threads.emplace_back([&, i] { seen[i] = x.array().raw(); });
  for (std::thread& thread : threads) thread.join();
  for (const std::byte* place : seen) EXPECT_EQ(place, seen[0]);
}

}  // namespace
}  // namespace sconce
