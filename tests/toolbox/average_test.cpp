#include "sconce/toolbox/average.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/error_matcher.h"
#include "sconce/state/state_dict.h"
#include "toolbox/listing_of.h"
#include "toolbox/round_once.h"

namespace sconce::toolbox {
namespace {

using ::testing::ElementsAre;

AverageResult of(const std::vector<Value>& values, const AverageOptions& options = {}) {
  std::vector<AverageInput> inputs;
  for (std::size_t i = 0; i < values.size(); ++i) inputs.push_back({cat("file", i), listing_of(values[i])});
  return average(inputs, options);
}

Value vector(std::initializer_list<float> numbers) {
  return Value::dict({{"w", Array::from<float>(numbers, {static_cast<std::int64_t>(numbers.size())})}});
}

std::vector<float> result(const std::vector<Value>& values, const AverageOptions& options = {}) {
  return of(values, options).state.at("w").as_array().to_vector<float>();
}

TEST(Average, UniformWeightedExponential) {
  const std::vector<Value> files{vector({1, 2}), vector({3, 4}), vector({8, 0})};
  EXPECT_THAT(result(files), ElementsAre(4, 2));
  EXPECT_THAT(result(files, {.weights = {0.5, 0.25, 0.25}}), ElementsAre(3.25F, 2));
  EXPECT_THAT(result(files, {.weights = {2, 1, 1}}), ElementsAre(3.25F, 2));  // divided by their sum
  EXPECT_THAT(result(files, {.weights = {1, 1, -1}}), ElementsAre(-4, 6));
  EXPECT_THAT(result(files, {.ema = 0.5}), ElementsAre(5, 1.5F));
  EXPECT_THAT(result(files, {.ema = 1}), ElementsAre(1, 2));
  EXPECT_THAT(result(files, {.ema = 0}), ElementsAre(8, 0));
  EXPECT_THAT(result({files[0]}), ElementsAre(1, 2));
}

TEST(Average, WeightsMustMakeSense) {
  const std::vector<Value> files{vector({1}), vector({3})};
  EXPECT_ERROR(of(files, {.weights = {1}}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(of(files, {.weights = {1, -1}}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(of(files, {.weights = {1, NAN}}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(of(files, {.weights = {1, 1}, .ema = 0.5}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(of(files, {.ema = 1.5}), ErrorCode::kInvalidArgument);
  EXPECT_ERROR(of({}), ErrorCode::kInvalidArgument);
}

TEST(Average, SumsInFloat64) {
  // In float32 the one would be lost.
  EXPECT_THAT(result({vector({1e8F}), vector({1}), vector({-1e8F})}, {.weights = {1, 1, 1}}),
              ElementsAre(1.0F / 3));
}

TEST(Average, RoundsOnceToNarrowTypes) {
  // 1 + 2^-11 + 2^-30 lies above the middle of two float16 and, in float32, on it.
  const double above = 1 + std::ldexp(1.0, -11) + std::ldexp(1.0, -30);
  EXPECT_EQ(round_once<Float16>(above).bits, 0x3C01);
  EXPECT_EQ(Float16(static_cast<float>(above)).bits, 0x3C00);  // what rounding twice gives
  EXPECT_EQ(round_once<Float16>(1 + std::ldexp(1.0, -11)).bits, 0x3C00);
  EXPECT_EQ(round_once<BFloat16>(1 + std::ldexp(1.0, -8) + std::ldexp(1.0, -40)).bits, 0x3F81);
  EXPECT_EQ(round_once<BFloat16>(-(1 + std::ldexp(1.0, -8) + std::ldexp(1.0, -40))).bits, 0xBF81);
  EXPECT_EQ(round_once<Float16>(1e300).bits, 0x7C00);
  EXPECT_EQ(round_once<Float16>(1e-300).bits, 0);
  EXPECT_TRUE(std::isnan(static_cast<float>(round_once<Float16>(NAN))));
  EXPECT_EQ(round_once<float>(0.1), 0.1F);
  // By search: no value of the narrow type is nearer.
  std::mt19937_64 random(5);
  for (int i = 0; i < 20'000; ++i) {
    const double value =
        std::ldexp(1 + static_cast<double>(random() >> 11) * 0x1p-53, static_cast<int>(random() % 40) - 24);
    const auto rounded = round_once<Float16>(value);
    const double error = std::fabs(static_cast<double>(static_cast<float>(rounded)) - value);
    for (const int step : {-1, 1}) {
      Float16 other;
      other.bits = static_cast<std::uint16_t>(rounded.bits + step);
      const double apart = std::fabs(static_cast<double>(static_cast<float>(other)) - value);
      if (!std::isfinite(apart) || !std::isfinite(error)) continue;
      ASSERT_LE(error, apart) << value;
    }
  }
}

TEST(Average, DtypesAreTheFirstFiles) {
  const auto file = [](DType dtype, double value) {
    return Value::dict({{"w", Array::full({3}, value, dtype)}});
  };
  const AverageResult mixed = of({file(kBFloat16, 1), file(kFloat32, 2)});
  EXPECT_EQ(mixed.state.at("w").as_array().dtype(), kBFloat16);
  EXPECT_THAT(mixed.state.at("w").as_array().to_vector<float>(), ElementsAre(1.5F, 1.5F, 1.5F));
  EXPECT_EQ(mixed.notes.size(), 1U);
  for (const DType dtype : {kFloat16, kFloat64, kFloat8E5M2, kFloat8E4M3FN})
    EXPECT_THAT(of({file(dtype, 1), file(dtype, 2)}).state.at("w").as_array().to_vector<float>(),
                ElementsAre(1.5F, 1.5F, 1.5F));
  EXPECT_ERROR(of({file(kInt64, 1), file(kFloat32, 2)}), ErrorCode::kKeyMismatch);
}

TEST(Average, ComplexByComponents) {
  using C = std::complex<float>;
  const auto file = [](C value) {
    return Value::dict({{"w", Array::from<C>({C(1, 1), value}, {2}).transpose(0, 0)}});
  };
  const auto got = of({file(C(1, 2)), file(C(3, -2))}).state.at("w").as_array().to_vector<C>();
  EXPECT_EQ(got[0], C(1, 1));
  EXPECT_EQ(got[1], C(2, 0));
}

TEST(Average, CountersAndOtherValuesAreTheLastFiles) {
  const auto file = [](std::int64_t count, bool flag, const char* text) {
    return Value::dict({{"w", Array::ones({1})},
                        {"bn.num_batches_tracked", Array::scalar(count)},
                        {"on", Array::scalar(flag)},
                        {"extra", text}});
  };
  const AverageResult found = of({file(10, true, "a"), file(30, false, "b"), file(20, false, "c")});
  EXPECT_EQ(found.state.at("bn.num_batches_tracked").as_array().item<std::int64_t>(), 20);
  EXPECT_FALSE(found.state.at("on").as_array().item<bool>());
  EXPECT_EQ(found.state.at("extra").as_string(), "c");
  EXPECT_EQ(found.averaged, 1U);
  EXPECT_EQ(found.taken, 2U);
}

TEST(Average, OfATrainingCheckpointTheWeights) {
  const auto file = [](float value) {
    StateDict state;
    state.set("w", Array::scalar(value));
    state.set_version("", 1);
    return Value::dict(
        {{"model", Value(state)},
         {"optimizer", Value::dict({{"state", Value::dict()}, {"param_groups", Value::list()}})}});
  };
  const AverageResult found = of({file(1), file(2)});
  EXPECT_TRUE(found.state.is_ordered_dict());
  EXPECT_FLOAT_EQ(found.state.at("w").as_array().item<float>(), 1.5F);
  EXPECT_TRUE(found.state.attribute("_metadata").has_value());
  EXPECT_EQ(found.notes.size(), 1U);
  EXPECT_ERROR(of({file(1), file(2)}, {.state_dict = "nothing"}), ErrorCode::kNotFound);
}

TEST(Average, NestedDicts) {
  const auto file = [](float value) {
    return Value::dict({{"a", Value::ordered_dict({{"w", Array::scalar(value)}})},
                        {"b", Value::dict({{"w", Array::scalar(2 * value)}})}});
  };
  const AverageResult found = of({file(1), file(2)});
  EXPECT_FLOAT_EQ(found.state.at("a").at("w").as_array().item<float>(), 1.5F);
  EXPECT_FLOAT_EQ(found.state.at("b").at("w").as_array().item<float>(), 3);
  EXPECT_TRUE(found.state.at("a").is_ordered_dict());
  EXPECT_ERROR(of({Value::dict({{"l", Value::list({Array::ones({1})})}})}), ErrorCode::kUnsupported);
}

TEST(Average, NamesAndShapesMustAgree) {
  const auto file = [](const char* name, Shape shape) { return Value::dict({{name, Array::ones(shape)}}); };
  EXPECT_ERROR(of({file("w", {2}), file("v", {2})}), ErrorCode::kKeyMismatch);
  EXPECT_ERROR(of({file("w", {2}), file("w", {3})}), ErrorCode::kKeyMismatch);
  EXPECT_ERROR(of({file("w", {2}), Value::dict({{"w", Array::ones({2})}, {"x", Array::ones({2})}})}),
               ErrorCode::kKeyMismatch);
  try {
    of({file("fc.weight", {2}), file("fc.weights", {2})});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.text(), ::testing::HasSubstr("fc.weights"));  // the nearest
    EXPECT_EQ(error.path(), "file1");
  }
}

TEST(Average, WhatHasNoAverageIsRefused) {
  SparseLeaf leaf;
  leaf.layout = "sparse_coo";
  leaf.indices = Array::from<std::int64_t>({0}, {1, 1});
  leaf.values = Array::ones({1});
  leaf.size = {2};
  const Value sparse = Value::dict({{"w", leaf}});
  EXPECT_ERROR(of({sparse, sparse}), ErrorCode::kUnsupported);
  const Value packed = Value::dict({{"w", Array::zeros({1}, kBits8)}});
  EXPECT_ERROR(of({packed, packed}), ErrorCode::kUnsupported);
}

TEST(Average, TiedTensorsStayTied) {
  const auto file = [](float value) {
    const Array shared = Array::full({2}, value);
    return Value::dict({{"enc", shared}, {"dec", shared}, {"view", shared.narrow(0, 0, 1)}});
  };
  const Value tied = of({file(1), file(3)}).state;
  EXPECT_TRUE(tied.at("enc").as_array().storage() == tied.at("dec").as_array().storage());
  EXPECT_FLOAT_EQ(tied.at("view").as_array().item<float>(), 2);
  const Value apart =
      of({file(1),
          Value::dict({{"enc", Array::ones({2})}, {"dec", Array::zeros({2})}, {"view", Array::ones({1})}})})
          .state;
  EXPECT_FALSE(apart.at("enc").as_array().storage() == apart.at("dec").as_array().storage());
  EXPECT_FLOAT_EQ(apart.at("dec").as_array().to_vector<float>()[0], 0.5F);
}

TEST(Average, WhatIsNotFiniteIsSaid) {
  const AverageResult found = of({vector({1, std::numeric_limits<float>::infinity()}), vector({1, 1})});
  EXPECT_EQ(found.notes.size(), 1U);
  EXPECT_TRUE(std::isinf(found.state.at("w").as_array().to_vector<float>()[1]));
}

}  // namespace
}  // namespace sconce::toolbox
