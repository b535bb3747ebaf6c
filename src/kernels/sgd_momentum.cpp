#include "kernels/sgd_momentum.h"

#include "kernels/isa.h"

// In this order:
// clang-format off
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/sgd_momentum.cpp"
#include "kernels/isa_targets.h"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace sconce::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_NATIVE_FMA && HWY_TARGET != HWY_SCALAR

using D = hn::ScalableTag<float>;
using DI = hn::RebindToSigned<D>;
using Numbers = hn::Vec<D>;
using Words = hn::Vec<DI>;

// A vector of int32 that fills half a register, times `factor`, rounded to whole numbers, to even.
template <class Half>
HWY_INLINE Half scaled(Half whole, double factor) {
  constexpr double kToWhole = 6755399441055744.0;  // 1.5 * 2^52: what is added to it loses its fraction
  const hn::Rebind<double, hn::DFromV<Half>> dd;
  const auto product = hn::Mul(hn::PromoteTo(dd, whole), hn::Set(dd, factor));
  const auto rounded = hn::Sub(hn::Add(product, hn::Set(dd, kToWhole)), hn::Set(dd, kToWhole));
  return hn::DemoteTo(hn::DFromV<Half>(), rounded);
}

// All ones where the bits, without their sign, are those of a denormal.
HWY_INLINE hn::Mask<DI> is_denormal(Words magnitude) {
  constexpr std::int32_t kLeastNormal = 0x00800000;
  const DI di;
  return hn::And(hn::Lt(magnitude, hn::Set(di, kLeastNormal)), hn::Gt(magnitude, hn::Zero(di)));
}

HWY_INLINE Words magnitude_of(Words bits) { return hn::And(bits, hn::Set(DI(), 0x7FFFFFFF)); }

// A unit that is dead has no gradient: its momentum shrinks at every step, becomes denormal, and for factors
// above a half never zero, since a few of the smallest units times 0.9 round to as many. Intel's processors
// take a hundred cycles and more for each product with such a number, so these are multiplied as integers:
// denormals are whole numbers of the smallest unit, and their products with a float are exact in double. The
// bits are the same.
HWY_INLINE void step_with_dead(Words old, float* HWY_RESTRICT param, const float* HWY_RESTRICT grad,
                               float* HWY_RESTRICT buffer, const MomentumFactors& by) {
  constexpr float kLarge = 0x1p-90F;  // to which the smallest numbers add nothing
  const D d;
  const DI di;
  const Words magnitude = magnitude_of(old);
  const auto dead = is_denormal(magnitude);
  const Words units = hn::IfThenElseZero(dead, magnitude);
  const hn::Half<DI> half;
  const Words shrunk = hn::Combine(di, scaled(hn::UpperHalf(half, units), by.momentum),
                                   scaled(hn::LowerHalf(half, units), by.momentum));
  const Words sign = hn::And(old, hn::Set(di, static_cast<std::int32_t>(0x80000000)));
  const Numbers normal = hn::Mul(hn::BitCast(d, hn::IfThenZeroElse(dead, old)), hn::Set(d, by.momentum));
  const Words product = hn::IfThenElse(dead, hn::Or(sign, shrunk), hn::BitCast(di, normal));

  const Numbers g = hn::Mul(hn::Set(d, by.sign), hn::LoadU(d, grad));
  // With no gradient the sum is the product itself.
  const auto has_none = hn::Eq(magnitude_of(hn::BitCast(di, g)), hn::Zero(di));
  const auto alone = hn::And(is_denormal(magnitude_of(product)), has_none);
  const Numbers sum = hn::MulAdd(hn::Set(d, by.fresh), g, hn::BitCast(d, hn::IfThenZeroElse(alone, product)));
  const Words moving = hn::IfThenElse(alone, product, hn::BitCast(di, sum));
  hn::StoreU(hn::BitCast(d, moving), d, buffer);

  const Numbers p = hn::LoadU(d, param);
  const auto is_large = hn::RebindMask(di, hn::Ge(hn::Abs(p), hn::Set(d, kLarge)));
  const auto idle = hn::And(is_denormal(magnitude_of(moving)), is_large);
  const Numbers by_step = hn::BitCast(d, hn::IfThenZeroElse(idle, moving));
  hn::StoreU(hn::MulAdd(hn::Set(d, by.step), by_step, p), d, param);
}

std::int64_t sgd_step_rows(float* HWY_RESTRICT param, const float* HWY_RESTRICT grad,
                           float* HWY_RESTRICT buffer, std::int64_t count, const MomentumFactors& by) {
  const D d;
  const DI di;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto sign = hn::Set(d, by.sign);
  const auto momentum = hn::Set(d, by.momentum);
  const auto fresh = hn::Set(d, by.fresh);
  const auto factor = hn::Set(d, by.step);
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto old = hn::LoadU(d, buffer + i);
    const Words bits = hn::BitCast(di, old);
    if (HWY_UNLIKELY(!hn::AllFalse(di, is_denormal(magnitude_of(bits))))) {
      step_with_dead(bits, param + i, grad + i, buffer + i, by);
      continue;
    }
    const auto moving = hn::MulAdd(fresh, hn::Mul(sign, hn::LoadU(d, grad + i)), hn::Mul(old, momentum));
    hn::StoreU(moving, d, buffer + i);
    hn::StoreU(hn::MulAdd(factor, moving, hn::LoadU(d, param + i)), d, param + i);
  }
  return i;
}

#else

// Without an instruction for it, what rounds once must be asked for by name.
std::int64_t sgd_step_rows(float*, const float*, float*, std::int64_t, const MomentumFactors&) { return 0; }

#endif

}  // namespace
}  // namespace sconce::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sconce::kernels {

HWY_EXPORT(sgd_step_rows);

std::int64_t momentum_step(float* param, const float* grad, float* buffer, std::int64_t count,
                           const MomentumFactors& by) {
  isa();
  return HWY_DYNAMIC_DISPATCH(sgd_step_rows)(param, grad, buffer, count, by);
}

}  // namespace sconce::kernels
#endif
