// Every differentiable operation against finite differences, first and second derivative, over broadcast,
// strided, empty and 0-d operands.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "sconce/tensor/ops.h"
#include "support/gradcheck.h"

namespace sconce {
namespace {

using Inputs = std::vector<Tensor>;
using Function = std::function<Tensor(const Inputs&)>;

// Values in +-[0.3, 1.5], away from the kinks of abs, relu and the like; a fixed stream per seed.
Tensor random_tensor(const Shape& shape, unsigned seed, bool positive = false) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<double> magnitude(0.3, 1.5);
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (double& v : values) v = magnitude(engine) * (positive || engine() % 2 == 0 ? 1 : -1);
  return tensor(values, shape);
}

// The same numbers behind other strides: every second column of a transposed tensor of twice the size.
Tensor strided(const Tensor& x) {
  if (x.rank() == 0) return x;
  const Tensor turned = x.transpose(0, -1).clone();
  const Tensor wide = stack({turned, turned}, -1).flatten(-2);
  return wide.slice(-1, {.start = 1, .stop = {}, .step = 2}).transpose(0, -1);
}

// First derivatives of f for dense and strided inputs, and second derivatives.
void gradcheck(const std::string& name, const Function& f, const Inputs& values) {
  SCOPED_TRACE(name);
  test::expect_gradients(f, values);
  const auto of_strided = [&f](const Inputs& inputs) {
    Inputs views;
    for (const Tensor& x : inputs) views.push_back(strided(x));
    return f(views);
  };
  test::expect_gradients(of_strided, values);
  // The square makes a linear f interesting.
  test::expect_second_gradients([&](const Inputs& inputs) { return square(of_strided(inputs)); }, values);
}

struct Named {
  std::string name;
  Function function;
  bool positive = false;
};

void check_unary(const std::vector<Named>& operations) {
  for (const Named& op : operations) {
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3}, Shape{2, 0}, Shape{2, 1, 3}}) {
      gradcheck(op.name + shape.str(), op.function, {random_tensor(shape, 1, op.positive)});
      if (::testing::Test::HasFailure()) return;
    }
  }
}

void check_binary(const std::vector<Named>& operations) {
  const std::vector<std::pair<Shape, Shape>> shapes = {{{}, {}},           {{3}, {3}},   {{2, 3}, {3}},
                                                       {{2, 1}, {1, 3}},   {{}, {2, 2}}, {{0, 3}, {1, 3}},
                                                       {{2, 1, 2}, {3, 1}}};
  for (const Named& op : operations) {
    for (const auto& pair : shapes) {
      gradcheck(op.name + pair.first.str() + pair.second.str(), op.function,
                {random_tensor(pair.first, 2, op.positive), random_tensor(pair.second, 3, op.positive)});
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(Gradients, Unary) {
  check_unary({
      {"neg", [](const Inputs& x) { return neg(x[0]); }},
      {"abs", [](const Inputs& x) { return abs(x[0]); }},
      {"sign", [](const Inputs& x) { return sign(x[0]); }},
      {"exp", [](const Inputs& x) { return exp(x[0]); }},
      {"log", [](const Inputs& x) { return log(x[0]); }, true},
      {"sqrt", [](const Inputs& x) { return sqrt(x[0]); }, true},
      {"reciprocal", [](const Inputs& x) { return reciprocal(x[0]); }},
      {"sin", [](const Inputs& x) { return sin(x[0]); }},
      {"cos", [](const Inputs& x) { return cos(x[0]); }},
      {"tanh", [](const Inputs& x) { return tanh(x[0]); }},
      {"sigmoid", [](const Inputs& x) { return sigmoid(x[0]); }},
      {"relu", [](const Inputs& x) { return relu(x[0]); }},
      {"square", [](const Inputs& x) { return square(x[0]); }},
      {"pow 3", [](const Inputs& x) { return pow(x[0], 3); }},
      {"pow 2.5", [](const Inputs& x) { return pow(x[0], 2.5); }, true},
      {"pow 0", [](const Inputs& x) { return pow(x[0], 0); }},
      {"pow -1", [](const Inputs& x) { return pow(x[0], -1.0); }},
      {"2 pow", [](const Inputs& x) { return pow(Scalar(2), x[0]); }},
      {"clamp", [](const Inputs& x) { return clamp(x[0], -1, 0.9); }},
      {"scalars", [](const Inputs& x) { return (2 - (x[0] * 3 + 1) / 4 - 5) + 6 / x[0]; }},
      {"minus", [](const Inputs& x) { return -x[0]; }},
      {"where scalar", [](const Inputs& x) { return where(x[0].detach() > 0, x[0] * 2, 7); }},
      {"masked_fill", [](const Inputs& x) { return masked_fill(x[0], x[0].detach() > 0, 7); }},
      {"clone", [](const Inputs& x) { return x[0].clone() * x[0].contiguous(); }},
  });
}

// Rounding to float32 is no smooth function; what comes back must be what was given, in the input's dtype.
TEST(Gradients, To) {
  const Tensor x = rand({3, 2}, {.dtype = kFloat64, .requires_grad = true});
  const Tensor gradient = randn({3, 2}, {.dtype = kFloat32});
  x.to(kFloat32).backward(gradient);
  EXPECT_EQ(x.grad().dtype(), kFloat64);
  EXPECT_TRUE(x.grad().array().same_bits(gradient.array().cast(kFloat64)));
}

TEST(Gradients, Binary) {
  check_binary({
      {"add", [](const Inputs& x) { return x[0] + x[1]; }},
      {"add alpha", [](const Inputs& x) { return add(x[0], x[1], 0.3); }},
      {"sub", [](const Inputs& x) { return x[0] - x[1]; }},
      {"sub alpha", [](const Inputs& x) { return sub(x[0], x[1], 2); }},
      {"mul", [](const Inputs& x) { return x[0] * x[1]; }},
      {"div", [](const Inputs& x) { return x[0] / x[1]; }},
      {"pow", [](const Inputs& x) { return pow(x[0], x[1]); }, true},
      {"maximum", [](const Inputs& x) { return maximum(x[0], x[1]); }},
      {"minimum", [](const Inputs& x) { return minimum(x[0], x[1]); }},
      {"where", [](const Inputs& x) { return where(x[0].detach() > 0.1, x[0] * 2, x[1]); }},
  });
}

TEST(Gradients, Reductions) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<Named> operations = {
      {"sum", [](const Inputs& x) { return sum(x[0]); }},
      {"sum 1", [](const Inputs& x) { return sum(x[0], 1); }},
      {"sum 0,-1",
       [](const Inputs& x) {
         return sum(x[0], {0, -1}, true);
       }},
      {"sum_to",
       [](const Inputs& x) {
         return sum_to(x[0], {3, 1});
       }},
      {"mean", [](const Inputs& x) { return mean(x[0]); }},
      {"mean 0", [](const Inputs& x) { return mean(x[0], 0, true); }},
      {"var", [](const Inputs& x) { return var(x[0]); }},
      {"var 1", [](const Inputs& x) { return var(x[0], Dims{1}, 0); }},
      {"stddev",
       [](const Inputs& x) {
         return stddev(x[0], Dims{0, 2}, 1, true);
       }},
      {"norm", [](const Inputs& x) { return norm(x[0]); }},
      {"norm 1", [](const Inputs& x) { return norm(x[0], 1, Dims{1}); }},
      {"norm 3", [](const Inputs& x) { return norm(x[0], 3, Dims{0}, true); }},
      {"norm inf", [infinity](const Inputs& x) { return norm(x[0], infinity); }},
      {"prod", [](const Inputs& x) { return prod(x[0]); }},
      {"prod 1", [](const Inputs& x) { return prod(x[0], 1); }},
      {"max", [](const Inputs& x) { return max(x[0]); }},
      {"min", [](const Inputs& x) { return min(x[0]); }},
      {"max 1", [](const Inputs& x) { return max(x[0], 1).first; }},
      {"min -1", [](const Inputs& x) { return min(x[0], -1, true).first; }},
  };
  for (const Named& op : operations) {
    gradcheck(op.name, op.function, {random_tensor({2, 3, 2}, 4)});
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Gradients, ProductWithZeros) {
  Tensor x = random_tensor({2, 3}, 4);
  x.mutable_array().select(0, 0).fill(0);
  gradcheck("prod", [](const Inputs& in) { return prod(in[0]) + sum(prod(in[0], 1)); }, {x});
}

TEST(Gradients, Views) {
  const std::vector<Named> operations = {
      {"view",
       [](const Inputs& x) {
         return x[0].contiguous().view({3, -1});
       }},
      {"reshape", [](const Inputs& x) { return x[0].transpose(0, 1).reshape({-1}); }},
      {"transpose", [](const Inputs& x) { return x[0].transpose(0, -1); }},
      {"permute",
       [](const Inputs& x) {
         return x[0].permute({2, 0, 1});
       }},
      {"select", [](const Inputs& x) { return x[0].select(1, -1); }},
      {"narrow", [](const Inputs& x) { return x[0].narrow(1, 1, 2); }},
      {"slice", [](const Inputs& x) { return x[0].slice(1, {.start = 0, .stop = {}, .step = 2}); }},
      {"index",
       [](const Inputs& x) {
         return x[0].index({Ellipsis{}, Slice{1, 2}, NewAxis{}, 0});
       }},
      {"[]", [](const Inputs& x) { return x[0][1]; }},
      {"expand",
       [](const Inputs& x) {
         return x[0].unsqueeze(1).expand({5, 2, 3, 3, 2});
       }},
      {"squeeze",
       [](const Inputs& x) { return x[0].narrow(0, 0, 1).squeeze() * x[0].narrow(0, 1, 1).squeeze(0); }},
      {"flatten", [](const Inputs& x) { return x[0].flatten(1); }},
      {"t", [](const Inputs& x) { return x[0][0].t(); }},
  };
  for (const Named& op : operations) {
    gradcheck(op.name, [&op](const Inputs& x) { return square(op.function(x)); },
              {random_tensor({2, 3, 2}, 5)});
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Gradients, MatrixProducts) {
  const auto product = [](const Inputs& x) { return matmul(x[0], x[1]); };
  const std::vector<std::pair<Shape, Shape>> shapes = {
      {{3}, {3}},       {{2, 3}, {3}},       {{3}, {3, 2}},
      {{2, 3}, {3, 4}}, {{2, 2, 3}, {3, 2}}, {{2, 1, 2, 3}, {3, 3, 2}},
      {{2, 0}, {0, 3}}, {{2, 3}, {2, 3, 1}}, {{3}, {2, 3, 2}}};
  for (const auto& pair : shapes) {
    gradcheck("matmul" + pair.first.str() + pair.second.str(), product,
              {random_tensor(pair.first, 6), random_tensor(pair.second, 7)});
  }
  const Tensor a = random_tensor({2, 3}, 8);
  const Tensor b = random_tensor({3, 4}, 9);
  gradcheck("mm", [](const Inputs& x) { return mm(x[0], x[1]); }, {a, b});
  gradcheck("bmm", [](const Inputs& x) { return bmm(x[0], x[1]); },
            {random_tensor({3, 2, 3}, 8), random_tensor({3, 3, 4}, 9)});
  gradcheck("addmm", [](const Inputs& x) { return addmm(x[0], x[1], x[2]); }, {random_tensor({4}, 10), a, b});
  gradcheck("linear", [](const Inputs& x) { return linear(x[0], x[1], x[2]); },
            {random_tensor({2, 2, 3}, 11), random_tensor({4, 3}, 12), random_tensor({4}, 13)});
  gradcheck("linear without bias", [](const Inputs& x) { return linear(x[0], x[1]); },
            {random_tensor({3}, 11), random_tensor({4, 3}, 12)});
}

TEST(Gradients, JoiningAndIndexing) {
  const Tensor rows = tensor(std::vector<std::int64_t>{2, 0, 2});
  const Tensor places = tensor(std::vector<std::int64_t>{0, 2, 1, 1}, {2, 2});
  // Of several values scattered to one place only one has a gradient: distinct places.
  const Tensor distinct = tensor(std::vector<std::int64_t>{0, 2, 1, 0}, {2, 2});
  const std::vector<Named> operations = {
      {"cat",
       [](const Inputs& x) {
         return cat({x[0], x[1].narrow(1, 0, 1), x[0]}, 1);
       }},
      {"stack",
       [](const Inputs& x) {
         return stack({x[0], x[1]}, 1);
       }},
      {"split", [](const Inputs& x) { return split(x[0], 2, 1)[1] * chunk(x[1], 3, 1)[0]; }},
      {"split by sizes",
       [](const Inputs& x) {
         return split(x[0], Dims{1, 2}, 0)[1];
       }},
      {"index_select", [&](const Inputs& x) { return index_select(x[0], 0, rows); }},
      {"index_select 1", [&](const Inputs& x) { return index_select(x[0], 1, rows); }},
      {"index_add", [&](const Inputs& x) { return index_add(x[0], 0, rows, x[1]); }},
      {"gather 0", [&](const Inputs& x) { return gather(x[0], 0, places); }},
      {"gather 1", [&](const Inputs& x) { return gather(x[0], 1, places); }},
      {"scatter", [&](const Inputs& x) { return scatter(x[0], 1, distinct, x[1]); }},
      {"scatter_add", [&](const Inputs& x) { return scatter_add(x[0], 0, places, x[1]); }},
      {"embedding", [&](const Inputs& x) { return embedding(x[0], places); }},
      {"topk", [](const Inputs& x) { return topk(x[0], 2, 0).first; }},
      {"topk smallest", [](const Inputs& x) { return topk(x[0], 2, 1, false).first; }},
  };
  for (const Named& op : operations) {
    gradcheck(op.name, [&op](const Inputs& x) { return square(op.function(x)); },
              {random_tensor({3, 3}, 14), random_tensor({3, 3}, 15)});
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Gradients, InPlace) {
  const std::vector<Named> operations = {
      {"add_", [](const Inputs& x) { return (x[0] * 2).add_(x[1]).add_(1.5).sub_(x[1], 3); }},
      {"mul_", [](const Inputs& x) { return (x[0] * 2).mul_(x[1]).mul_(3); }},
      {"div_", [](const Inputs& x) { return (x[0] * 2).div_(x[1]).div_(3); }},
      {"copy_", [](const Inputs& x) { return (x[0] * 2).copy_(x[1]) + x[0]; }},
      {"fill_", [](const Inputs& x) { return (x[0] * 2).fill_(4) * x[1]; }},
      {"zero_", [](const Inputs& x) { return (x[0] * 2).zero_().add_(x[1]); }},
  };
  for (const Named& op : operations) {
    gradcheck(op.name, op.function, {random_tensor({2, 3}, 16), random_tensor({3}, 17)});
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Gradients, EqualExtremesShareTheGradient) {
  const Tensor x = tensor(std::vector<double>{1, 3, 3}).set_requires_grad();
  max(x).backward();
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 0.5, 0.5}));
  const Tensor y = tensor(std::vector<double>{1, 3, 2}).set_requires_grad();
  sum(maximum(y, x.detach())).backward();
  EXPECT_EQ(y.grad().to_vector<double>(), (std::vector<double>{0.5, 0.5, 0}));
}

TEST(Gradients, PaddingRowOfAnEmbeddingGetsNone) {
  const Tensor weight = random_tensor({3, 2}, 18).set_requires_grad();
  sum(embedding(weight, tensor({0, 1, 1, 2}), 1)).backward();
  EXPECT_EQ(weight.grad().to_vector<double>(), (std::vector<double>{1, 1, 0, 0, 1, 1}));
}

}  // namespace
}  // namespace sconce
