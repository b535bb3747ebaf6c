// What operations refuse, and results at the edges: empty, 0-d and NaN operands.
#include "sconce/tensor/ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>
#include <vector>

#include "support/kernel_testing.h"

namespace sconce {
namespace {

using test::code_of;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Ops, ShapesThatDoNotFit) {
  const Tensor x = zeros({2, 3});
  EXPECT_EQ(code_of([&] { x + zeros({2}); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { where(x > 0, x, zeros({4})); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { matmul(x, x); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { matmul(x, zeros({2, 2, 3})); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { matmul(zeros({2, 2, 3}), zeros({3, 3, 1})); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { matmul(x, tensor(1.0)); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { mm(zeros({3}), x); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { addmm(zeros({5}), x, x.t()); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { linear(x, zeros({4, 2})); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { linear(x, zeros({4, 3}), zeros({3})); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { cat({x, zeros({2, 2})}, 0); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { cat({tensor(1.0), tensor(2.0)}); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { stack({x, zeros({2, 2})}); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { split(x, {1, 1}, 1); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { x.item(); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { zeros({1, 1, 1}).t(); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] {
              index_select(x, 0, zeros({1, 1}, {.dtype = kInt64}));
            }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { index_add(x, 0, tensor({0}), x); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { gather(x, 0, tensor({0})); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { gather(x, 0, zeros({1, 4}, {.dtype = kInt64})); }), ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] {
              scatter(x, 0, zeros({1, 3}, {.dtype = kInt64}), zeros({1, 2}));
            }),
            ErrorCode::kShapeMismatch);
  EXPECT_EQ(code_of([&] { embedding(zeros({3}), tensor({0})); }), ErrorCode::kShapeMismatch);
}

TEST(Ops, DTypesThatDoNotFit) {
  const Tensor integers = tensor({1, 2});
  const Tensor bools = tensor({true, false});
  EXPECT_EQ(code_of([&] { bools - bools; }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { -bools; }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { mean(integers); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { var(integers); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { norm(integers); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { add(integers, integers, 0.5); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { where(integers, integers, integers); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { masked_fill(integers, integers, 1); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] {
              mm(zeros({1, 1}), zeros({1, 1}, {.dtype = kFloat64}));
            }),
            ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] {
              mm(zeros({1, 1}, {.dtype = kInt64}), zeros({1, 1}, {.dtype = kInt64}));
            }),
            ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { index_select(integers, 0, tensor({0.0})); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { gather(integers, 0, bools); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([&] { one_hot(tensor({0.0})); }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([] { zeros({1}, {.dtype = kFloat8E5M2}) + 1; }), ErrorCode::kDTypeMismatch);
  EXPECT_EQ(code_of([] { promote_types(kUInt16, kInt64); }), ErrorCode::kDTypeMismatch);
}

// What torch.promote_types gives; bcomplex32 after PyTorch 2.14.
TEST(Ops, PromotionOfComplexNumbers) {
  const DType kOthers[] = {kBool,    kInt64,     kFloat16,    kBFloat16, kFloat32,
                           kFloat64, kComplex32, kBComplex32, kComplex64};
  const auto promoted = [&](DType dtype) {
    std::vector<DType> out;
    for (const DType other : kOthers) {
      out.push_back(promote_types(dtype, other));
      EXPECT_EQ(out.back(), promote_types(other, dtype)) << dtype << ' ' << other;
    }
    return out;
  };
  EXPECT_EQ(promoted(kComplex32), (std::vector{kComplex32, kComplex32, kComplex32, kComplex64, kComplex64,
                                               kComplex128, kComplex32, kComplex64, kComplex64}));
  EXPECT_EQ(promoted(kBComplex32), (std::vector{kBComplex32, kBComplex32, kComplex64, kBComplex32, kComplex64,
                                                kComplex128, kComplex64, kBComplex32, kComplex64}));
  EXPECT_EQ(promoted(kComplex64), (std::vector{kComplex64, kComplex64, kComplex64, kComplex64, kComplex64,
                                               kComplex128, kComplex64, kComplex64, kComplex64}));
}

TEST(Ops, IndicesOutsideTheirRange) {
  const Tensor x = zeros({2, 3});
  EXPECT_EQ(code_of([&] { sum(x, 2); }), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] { sum(x, {0, 0}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { index_select(x, 0, tensor({2})); }), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] { index_select(x, 0, tensor({-1})); }), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] { gather(x, 1, full({2, 1}, 3, {.dtype = kInt64})); }), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] {
              scatter_add(x, 1, full({2, 1}, -1, {.dtype = kInt64}), x);
            }),
            ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] { one_hot(tensor({3}), 3); }), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] { topk(x, 4, 1); }), ErrorCode::kIndexOutOfRange);
  EXPECT_EQ(code_of([&] { embedding(x, tensor({0}), 2); }), ErrorCode::kIndexOutOfRange);
}

TEST(Ops, ArgumentsWithoutSense) {
  const Tensor none = zeros({0});
  EXPECT_EQ(code_of([&] { max(none); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { argmin(zeros({2, 0}), 1); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { cat(std::vector<Tensor>{}, 0); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { split(none, 0); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { chunk(none, 0); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { clamp(none, {}, {}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { norm(none, -1); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { pow(tensor({2}), tensor({-1})); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { one_hot(none.to(kInt64)); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { arange(0, 5, 0); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { arange(0, 5, -1); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { arange(0, kNan); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { arange(0, 1e18); }), ErrorCode::kOverflow);
  EXPECT_EQ(code_of([] { linspace(0, 1, -1); }), ErrorCode::kInvalidArgument);
}

TEST(Ops, EmptyOperands) {
  const Tensor none = zeros({0, 3});
  EXPECT_EQ((none + 1).shape(), (Shape{0, 3}));
  EXPECT_EQ(sum(none, 0).to_vector<double>(), (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(prod(none).item(), 1);
  EXPECT_TRUE(all(none > 0).item<bool>());
  EXPECT_FALSE(any(none > 0).item<bool>());
  EXPECT_TRUE(std::isnan(mean(none).item()));
  EXPECT_EQ(matmul(zeros({2, 0}), zeros({0, 3})).to_vector<double>(), std::vector<double>(6, 0.0));
  EXPECT_EQ(index_select(none, 1, tensor({2})).shape(), (Shape{0, 1}));
  EXPECT_EQ(split(zeros({0}), 2).size(), 1U);
  EXPECT_EQ(argsort(none).shape(), (Shape{0, 3}));
}

TEST(Ops, ExtremesOfNan) {
  const Tensor x = tensor({1.0, kNan, 3.0});
  EXPECT_TRUE(std::isnan(max(x).item()));
  EXPECT_EQ(argmin(x).item<std::int64_t>(), 1);
  EXPECT_TRUE(std::isnan(maximum(x, tensor(2.0))[1].item()));
  EXPECT_TRUE(std::isnan(relu(x)[1].item()));
  EXPECT_EQ(argsort(x, 0).to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 2, 1}));
  EXPECT_EQ(argsort(x, 0, true).to_vector<std::int64_t>(), (std::vector<std::int64_t>{1, 2, 0}));
  EXPECT_EQ(isnan(x).to_vector<bool>(), (std::vector<bool>{false, true, false}));
}

TEST(Ops, IntegersWrapAround) {
  const Tensor x = full({1}, 100, {.dtype = kInt8});
  EXPECT_EQ((x + x).item<std::int64_t>(), -56);
  EXPECT_EQ(sum(cat({x, x})).item<std::int64_t>(), 200);
  EXPECT_EQ(pow(tensor({3, -2}), 3).to_vector<std::int64_t>(), (std::vector<std::int64_t>{27, -8}));
}

TEST(Ops, OneHotAndScatter) {
  EXPECT_EQ(one_hot(tensor({1, 0})).to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 1, 1, 0}));
  EXPECT_EQ(one_hot(tensor({1}), 3).shape(), (Shape{1, 3}));
  const Tensor base = zeros({3});
  const Tensor added = scatter_add(base, 0, tensor({1, 1}), tensor({2.0, 3.0}));
  EXPECT_EQ(added.to_vector<double>(), (std::vector<double>{0, 5, 0}));
  EXPECT_EQ(scatter(base, 0, tensor({1, 1}), tensor({2.0, 3.0})).to_vector<double>(),
            (std::vector<double>{0, 3, 0}));
  EXPECT_EQ(base.to_vector<double>(), (std::vector<double>{0, 0, 0}));
}

TEST(Ops, TopKGivesValuesAndPlaces) {
  const auto [values, places] = topk(tensor({3.0, 9.0, 5.0}), 2, 0, false);
  EXPECT_EQ(values.to_vector<double>(), (std::vector<double>{3, 5}));
  EXPECT_EQ(places.to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 2}));
}

TEST(Ops, RandomTensorsFollowTheSeed) {
  Generator first(5);
  Generator second(5);
  EXPECT_TRUE(randn({20}, {}, first).array().same_bits(randn({20}, {}, second).array()));
  EXPECT_TRUE(rand({2, 3}, {.dtype = kFloat64, .requires_grad = true}, first).requires_grad());
  const Tensor drawn = randint(-2, 3, {100}, {.dtype = kInt64}, first);
  EXPECT_TRUE(all(logical_and(drawn >= -2, drawn < 3)).item<bool>());
  EXPECT_EQ(sum(randperm(10, first)).item<std::int64_t>(), 45);
  EXPECT_EQ(bernoulli(tensor({0.0, 1.0}), first).to_vector<double>(), (std::vector<double>{0, 1}));
}

TEST(Ops, WritesIntoAnExpandedTensorAreRefused) {
  Tensor wide = zeros({1, 3}).expand({4, 3});
  EXPECT_EQ(code_of([&] { wide.add_(1); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { wide.mul_(ones({4, 3})); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { wide.copy_(rand({4, 3})); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(sum(wide).item(), 0);
  wide.fill_(2);  // the same for all is no contradiction, as in PyTorch
  EXPECT_EQ(sum(wide).item(), 24);
  Tensor narrow = wide.narrow(0, 0, 1);
  narrow.add_(1);
  EXPECT_EQ(sum(wide).item(), 36);
}

TEST(Ops, PrintsLikePyTorch) {
  const auto text = [](const Tensor& x) {
    std::ostringstream out;
    out << x;
    return out.str();
  };
  const Tensor x = tensor({1.0, 2.5}).set_requires_grad();
  EXPECT_EQ(text(x.detach()), "tensor([1.0000, 2.5000])");
  EXPECT_EQ(text(x), "tensor([1.0000, 2.5000], requires_grad=True)");
  EXPECT_EQ(text(x + 1), "tensor([2.0000, 3.5000], grad_fn=<add>)");
  EXPECT_EQ(text({}), "tensor(undefined)");
  // The suffix that would pass column 80 stands in a line of its own.
  EXPECT_EQ(text(zeros({2, 6}, {.dtype = kFloat64, .requires_grad = true})),
            "tensor([[0., 0., 0., 0., 0., 0.],\n"
            "        [0., 0., 0., 0., 0., 0.]], dtype=torch.float64, requires_grad=True)");
  EXPECT_EQ(text(zeros({12}, {.dtype = kFloat64, .requires_grad = true})),
            "tensor([0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.], dtype=torch.float64,\n"
            "       requires_grad=True)");
}

}  // namespace
}  // namespace sconce
