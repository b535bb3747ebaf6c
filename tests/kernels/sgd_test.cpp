// The bits of SGD's common rule for every kind of number, in every instruction set.
#include "sconce/kernels/sgd.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "support/kernel_testing.h"

namespace sconce {
namespace {

using kernels::SgdRule;

// Numbers of all magnitudes: denormals and what lies next to them above all.
class Numbers {
 public:
  explicit Numbers(unsigned seed) : engine_(seed) {}
  float any() {
    constexpr float kSpecial[] = {0.0F,
                                  -0.0F,
                                  std::numeric_limits<float>::denorm_min(),
                                  -std::numeric_limits<float>::denorm_min(),
                                  std::numeric_limits<float>::min(),
                                  -std::numeric_limits<float>::min(),
                                  INFINITY,
                                  NAN};
    switch (pick(0, 5)) {
      case 0:
        return kSpecial[pick(0, 7)];
      case 1:
        return std::bit_cast<float>(static_cast<std::uint32_t>(engine_()));  // any bits
      case 2:
        return std::ldexp(1.0F, pick(-150, -60)) * normal();
      case 3:
        return denormal();
      default:
        return normal();
    }
  }
  float normal() { return std::normal_distribution<float>()(engine_); }
  float denormal() {
    const auto bits = static_cast<std::uint32_t>(pick(0, 1) == 0 ? pick(1, 9) : pick(1, 0x7FFFFF));
    return std::bit_cast<float>(bits | (pick(0, 1) == 0 ? 0U : 0x80000000U));
  }
  int pick(int low, int high) { return std::uniform_int_distribution<int>(low, high)(engine_); }

 private:
  std::mt19937 engine_;
};

// torch/optim/sgd.py, number by number.
void expected_step(std::vector<float>& param, const std::vector<float>& grad, std::vector<float>& buffer,
                   const SgdRule& rule) {
  const auto fresh = static_cast<float>(1 - rule.dampening);
  const auto momentum = static_cast<float>(rule.momentum);
  const auto step = static_cast<float>(-rule.lr);
  for (std::size_t i = 0; i < param.size(); ++i) {
    const float g = (rule.maximize ? -1.0F : 1.0F) * grad[i];
    buffer[i] = std::fma(fresh, g, buffer[i] * momentum);
    param[i] = std::fma(step, buffer[i], param[i]);
  }
}

// Equal bits, or both NaN: which one of several operands' a processor hands on is its own affair.
void expect_same(const Array& found, const std::vector<float>& expected, const char* what) {
  const std::vector<float> numbers = found.to_vector<float>();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(numbers[i]) && std::isnan(expected[i])) continue;
    ASSERT_EQ(std::bit_cast<std::uint32_t>(numbers[i]), std::bit_cast<std::uint32_t>(expected[i]))
        << what << " " << i << ": " << numbers[i] << ", expected " << expected[i];
  }
}

TEST(Sgd, HasTheBitsOfTheFormulaForAllNumbers) {
  for (const kernels::Isa isa : test::all_isas()) {
    const test::IsaScope scope(isa);
    Numbers numbers(1);
    for (int i = 0; i < 400; ++i) {
      const auto count = static_cast<std::size_t>(numbers.pick(1, 150));
      const float factors[] = {0.9F, 0.5F, 0.99F, 1.0F, 0.0F, 0.3F};
      const SgdRule rule{.lr = numbers.pick(0, 1) == 0 ? 1e-3 : 1.0,
                         .momentum = factors[numbers.pick(0, 5)],
                         .dampening = numbers.pick(0, 2) == 0 ? 1.0 : 0.0,
                         .maximize = numbers.pick(0, 1) == 0};
      if (rule.momentum == 0) continue;
      const bool is_dead = numbers.pick(0, 1) == 0;
      std::vector<float> param(count), grad(count), buffer(count);
      for (std::size_t k = 0; k < count; ++k) {
        param[k] = is_dead && numbers.pick(0, 3) > 0 ? numbers.normal() : numbers.any();
        grad[k] = is_dead ? (numbers.pick(0, 1) == 0 ? 0.0F : -0.0F) : numbers.any();
        buffer[k] = is_dead ? numbers.denormal() : numbers.any();
      }
      const auto size = static_cast<std::int64_t>(count);
      Array p = Array::from(param, {size});
      Array b = Array::from(buffer, {size});
      const Array g = Array::from(grad, {size});
      for (int step = 0; step < 3; ++step) {
        kernels::sgd_step(p, g, b, false, rule);
        expected_step(param, grad, buffer, rule);
        expect_same(b, buffer, "momentum");
        expect_same(p, param, "parameter");
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Sgd, MomentumOfADeadUnitShrinksAsItDoesNumberByNumber) {
  // From a normal number down to where rounding stops it, all the way.
  std::vector<float> param(64, 0.5F), buffer(64);
  const std::vector<float> grad(64, 0.0F);
  for (std::size_t i = 0; i < buffer.size(); ++i) buffer[i] = std::ldexp(static_cast<float>(i) - 31.5F, -120);
  Array p = Array::from(param, {64});
  Array b = Array::from(buffer, {64});
  const Array g = Array::from(grad, {64});
  const SgdRule rule{.lr = 0.001, .momentum = 0.9};
  for (int step = 0; step < 400; ++step) {
    kernels::sgd_step(p, g, b, false, rule);
    expected_step(param, grad, buffer, rule);
    expect_same(b, buffer, "momentum");
    expect_same(p, param, "parameter");
    if (HasFatalFailure()) return;
  }
  EXPECT_NE(buffer[0], 0.0F);
  EXPECT_LT(std::fabs(buffer[0]), 1e-43F);
}

}  // namespace
}  // namespace sconce
